"""Logging, the compilation cache, precision: what a verb sets in its process before its work."""

import logging as python_logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from absl import flags, logging

from resnet_jax.runtime.machine import cache_folder, kept_folder
from resnet_jax.runtime.memory import holding_interrupts


def prepare() -> None:
    """Sets up logging and the compilation cache for a verb."""
    # A user's configuration may import files of the current folder, as `python -m` has it.
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.insert(0, os.getcwd())
    # Verbs have flags of their own; absl's keep their defaults.
    flags.FLAGS.mark_as_parsed()
    logging.use_absl_handler()
    # Orbax and JAX log at length what goes well.
    logging.set_verbosity(logging.ERROR)
    python_logging.getLogger("jax").setLevel(python_logging.ERROR)
    hush_orbax()

    with holding_interrupts():
        import jax

    # Whatever JAX_ENABLE_X64 says: a configuration decides, see compute_in.
    jax.config.update("jax_enable_x64", False)
    if jax.config.jax_compilation_cache_dir is None:
        if kept_folder("compilation") is None:
            print(
                "nothing is kept between runs, and each compiles anew: set XDG_CACHE_HOME to a"
                " folder that can be written to",
                file=sys.stderr,
            )
        jax.config.update("jax_compilation_cache_dir", str(cache_folder("compilation")))


def missing_device() -> str | None:
    """The sentence on devices that JAX_PLATFORMS asks for and JAX does not find; else None."""
    import jax

    try:
        jax.devices()
    except (RuntimeError, AssertionError):
        return (
            f"JAX finds no device of JAX_PLATFORMS={jax.config.jax_platforms}: unset JAX_PLATFORMS"
            " to use what is there, or install JAX for that device"
        )
    return None


def hush_orbax() -> None:
    """Silences what Orbax prints beside the error that it raises, and that is told in a sentence.

    It logs each failure of its threads with a traceback; and readers that still run after one of
    them met a damaged array, or have not begun, would each print one, too.
    """
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
    logging.get_absl_logger().addFilter(lambda record: "orbax" not in Path(record.pathname).parts)
    python_logging.getLogger("asyncio").setLevel(python_logging.CRITICAL)
    hook = sys.unraisablehook

    def quiet(unraisable: Any) -> None:
        expected = "Event loop is closed", "TensorStore", "was never awaited"
        if not any(text in str(unraisable.exc_value) for text in expected):
            hook(unraisable)

    sys.unraisablehook = quiet


def compute_in(*dtypes: str) -> None:
    """Lets JAX compute in 64 bits where one of these needs it; JAX sets this process-wide."""
    import jax

    jax.config.update("jax_enable_x64", "float64" in dtypes)
