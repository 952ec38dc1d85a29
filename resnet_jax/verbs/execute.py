"""Executes a run of a sweep: python -m resnet_jax execute --config=FILE --workdir=RUN.

Several pairs of --config and --workdir train as members of one program.
"""

import os
from typing import Any

from absl import flags

from resnet_jax import runtime
from resnet_jax.verbs import shared_flags

FLAGS = flags.FlagValues()
_CONFIG = flags.DEFINE_multi_string(
    "config", None, "FILE or FILE:key=value,...", required=True, flag_values=FLAGS
)
_WORKDIR = flags.DEFINE_multi_string(
    "workdir", None, "Folder of each run.", required=True, flag_values=FLAGS
)
_CORES = flags.DEFINE_list(
    "cores", [], "Numbers of the processor cores to use; by default all.", flag_values=FLAGS
)


def main() -> dict[str, Any]:
    """Executes the runs, and returns how they ended."""
    if _CORES.value:
        # Before JAX counts the cores to start its threads.
        os.sched_setaffinity(0, map(int, _CORES.value))

    from resnet_jax.assembly import configuration
    from resnet_jax.sweeps.execute import execute, execute_members

    configs = [configuration.read(text) for text in _CONFIG.value]
    runtime.compute_in(*(config.model.dtype for config in configs))
    workdirs = [shared_flags.folder(path, "--workdir") for path in _WORKDIR.value]
    if len(configs) == 1:
        return execute(configs[0], workdirs[0])
    return execute_members(configs, workdirs)
