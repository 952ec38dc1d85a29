"""How training steps are compiled for a CPU: by XLA alone, or with oneDNN's convolutions."""

import math
import platform
from collections.abc import Mapping
from typing import Any

import jax

# jaxlib holds YNNPACK and oneDNN, and gives convolutions to YNNPACK. With AVX-512, oneDNN makes a
# step a fifth faster.
ONEDNN = {
    "xla_cpu_experimental_onednn_custom_call": True,
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE",
}
# Versions of jaxlib: older ones have no convolutions of oneDNN, newer ones were not tried.
ONEDNN_SINCE, ONEDNN_UNTIL = (0, 12), (0, 13)


def onednn_options() -> dict[str, Any]:
    """Returns XLA's options for oneDNN; none where this jaxlib or processor has no oneDNN."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return ONEDNN if x86 and ONEDNN_SINCE <= jax.__version_info__ < ONEDNN_UNTIL else {}


def compile_step(lowered: jax.stages.Lowered, options: Mapping[str, Any]) -> jax.stages.Compiled:
    """Compiles a step.

    XLA can't write calls of oneDNN into the persistent cache, and JAX would warn at each try, so a
    step with options is not cached.
    """
    if not options:
        return lowered.compile()
    least = jax.config.jax_persistent_cache_min_compile_time_secs
    jax.config.update("jax_persistent_cache_min_compile_time_secs", math.inf)
    try:
        return lowered.compile(dict(options))
    finally:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", least)
