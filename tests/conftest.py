"""Settings that every test runs under."""

import gc
import os
import signal
from pathlib import Path

import jax
import pytest
from command_line import CACHE, xla_flags

from resnet_jax import runtime

SHARED = Path(__file__).parents[2] / "shared"

# A shell that starts tests in the background has them ignore these signals, which they send.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

os.environ["XLA_FLAGS"] = xla_flags()
jax.config.update("jax_compilation_cache_dir", str(CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_numpy_rank_promotion", "raise")
# Tiny arrays need no optimised code: each program is compiled for a few calls. What XLA fuses stays
# as it is; LLVM alone optimises nothing. command_line.py says the same to processes of tests.
jax.config.update("jax_disable_most_optimizations", True)


def pytest_collection_finish() -> None:
    """Spares garbage collection what lives as long as the process: an eighth of tracing's time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def optimised():
    """Programs are compiled as a user's are: for a test of bits that LLVM's vectors decide."""
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()
    yield
    jax.config.update("jax_disable_most_optimizations", True)
    jax.clear_caches()


@pytest.fixture(scope="module")
def quiet_readers():
    """As in a verb: readers that a damaged file leaves behind may end after the test."""
    runtime.hush_orbax()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the project that holds data sets and weights; CI has it."""
    if not SHARED.is_dir() and not os.environ.get("CI"):
        pytest.skip("no shared folder beside the project")
    return SHARED
