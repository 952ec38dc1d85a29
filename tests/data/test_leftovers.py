"""What runs leave in the temporary folder when they are killed."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from command_line import ROOT

RUN = """
import sys, time
from resnet_jax.data.leftovers import tidy
tidy()
print("here", flush=True)
sys.stdin.read()
"""


def start(place: Path) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(place)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "here\n"
    return process


def end(process: subprocess.Popen) -> None:
    process.communicate()
    assert process.returncode == 0


def folders(place: Path) -> set[str]:
    return {path.name for path in place.iterdir()}


def test_the_next_run_removes_what_a_killed_one_left():
    # Not pytest's folder: the path of a socket may be no longer than some hundred bytes.
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "pymp-another").mkdir()  # of a program that is none of ours
        dead, alive = start(place), start(place)
        before = folders(place)
        assert len(before) == 3
        dead.kill()
        dead.communicate()
        assert folders(place) == before
        time.sleep(0.01)
        third = start(place)
        assert len(folders(place) & before) == 2  # the living one's and the stranger's
        end(alive)
        end(third)
        assert folders(place) == {"pymp-another"}
