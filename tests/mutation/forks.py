"""Runs pytest as often as it is asked to, each time in a fork of this process.

What takes most of the time of a short test, importing JAX and its like, is done once; the package
under test is imported anew in each fork. A line on standard input is a JSON list: a file for what
pytest prints, and pytest's arguments. The answer is a line with the exit status.
"""

import json
import os
import signal
import sys
from pathlib import Path

import flax.linen
import matplotlib.figure
import ml_collections
import optax
import orbax.checkpoint
import pytest
import scipy.sparse.linalg
import scipy.stats
from mutation.mutant import NOT_THE_COPY

LOADED = (flax, matplotlib, ml_collections, optax, orbax, scipy)
# Tests that a mutant keeps from ending are ended.
SECONDS = 120


def tested(out: str, arguments: list[str]) -> int:
    """In a fork: the status of the tests, unless they tested another copy of the package."""
    file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    status = int(pytest.main(arguments))
    import resnet_jax

    sys.stdout.flush()
    here = Path(resnet_jax.__file__).is_relative_to(Path.cwd())
    return status if here else NOT_THE_COPY


if __name__ == "__main__":
    assert "resnet_jax" not in sys.modules
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            signal.alarm(SECONDS)
            status = NOT_THE_COPY
            try:
                status = tested(*json.loads(line))
            finally:
                os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
