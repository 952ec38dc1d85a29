"""What every verb does before its work."""

import json
import os
import subprocess
import sys

import pytest
from command_line import ROOT

from resnet_jax.verbs.launch import HUGE_PAGES

SCRIPT = """
import os, sys
from resnet_jax.verbs.launch import launch
launch(lambda: {"tunables": os.environ.get("GLIBC_TUNABLES"), "flags": sys.argv[1:]},
       needs_config=False)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone has the setting")
@pytest.mark.parametrize("own", [None, "glibc.malloc.check=0"])
def test_a_verb_runs_with_huge_pages_unless_the_user_chose(own):
    environment = {key: value for key, value in os.environ.items() if key not in HUGE_PAGES}
    if own is not None:
        environment["GLIBC_TUNABLES"] = own
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "--verbosity=0"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found == {"tunables": own or HUGE_PAGES["GLIBC_TUNABLES"], "flags": ["--verbosity=0"]}
