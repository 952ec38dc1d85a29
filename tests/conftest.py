"""Settings that every test runs under."""

import os
from pathlib import Path

import jax
import pytest
from command_line import CACHE, xla_flags

SHARED = Path(__file__).parents[2] / "shared"

os.environ["XLA_FLAGS"] = xla_flags()
jax.config.update("jax_compilation_cache_dir", str(CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
jax.config.update("jax_numpy_rank_promotion", "raise")
# Tiny arrays need no optimised code: each program is compiled for a few calls. What XLA fuses stays
# as it is; LLVM alone optimises nothing. Processes that a test starts compile as a user's do.
jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the project that holds data sets and weights; CI has it."""
    if not SHARED.is_dir() and not os.environ.get("CI"):
        pytest.skip("no shared folder beside the project")
    return SHARED
