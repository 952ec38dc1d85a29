"""Running the verbs as a user does, in a process of their own or, in half a second, in this one."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from resnet_jax.tables import UserError
from resnet_jax.verbs import launch

ROOT = Path(__file__).parents[1]
# Compiled once a machine: a second run of the suite takes a fraction of the first.
CACHE = Path(tempfile.gettempdir()) / f"resnet_jax_tests_{os.getuid()}"


def xla_flags(devices: int = 1) -> str:
    """So many emulated devices, and vectors no wider than all of today's processors have.

    XLA sums in vectors as wide as it may, which decides the last bits: where a test compares bits,
    they are to be the same everywhere.
    """
    return f"--xla_force_host_platform_device_count={devices} --xla_cpu_max_isa=AVX2"


def environment(devices: int = 1) -> dict[str, str]:
    """The caller's environment, with so many emulated devices and the tests' compilation cache."""
    return {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": xla_flags(devices),
        "JAX_COMPILATION_CACHE_DIR": str(CACHE),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }


def command(verb: str, *flags: str) -> list[str]:
    module = ["resnet_jax.main"] if verb == "main" else ["resnet_jax", verb]
    return [sys.executable, "-m", *module, *flags]


def run(verb: str, *flags: str, devices: int = 1) -> dict[str, Any]:
    """Runs a verb that must succeed and returns the JSON object on its last line."""
    done = subprocess.run(
        command(verb, *flags), cwd=ROOT, env=environment(devices), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def error(verb: str, *flags: str, devices: int = 1) -> str:
    """Runs a verb that must end with one sentence on a user's mistake, and returns the sentence."""
    done = subprocess.run(
        command(verb, *flags), cwd=ROOT, env=environment(devices), capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    return lines[0].removeprefix("error: ")


def call(verb: str, *flags: str) -> dict[str, Any]:
    """What a verb returns that runs in this process, as the JSON object of its last line."""
    module = importlib.import_module(f"resnet_jax.verbs.{verb}")
    return json.loads(json.dumps(module.main(*launch.parse(module, flags))))


def mistake(verb: str, *flags: str) -> str:
    """The sentence on a user's mistake with which a verb ends in this process."""
    with pytest.raises(UserError) as raised:
        call(verb, *flags)
    assert "\n" not in str(raised.value)
    return str(raised.value)
