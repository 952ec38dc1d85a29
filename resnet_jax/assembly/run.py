"""A training run from its configuration, for the verbs and for anyone who imports this package."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from resnet_jax.assembly import Assembly, run_folder
from resnet_jax.reporting.reports import Reports
from resnet_jax.training import loop, parallel
from resnet_jax.training.checkpoint import Checkpoints
from resnet_jax.training.run import Run


def train(
    config: ConfigDict,
    workdir: Path,
    guard: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> dict[str, Any]:
    """Starts the run of `config` in `workdir`, or continues the one that is there.

    Args:
      guard: entered while the run trains. The command line's guard ends this process where another
        process of the run is lost.

    Returns:
      The figures of the final evaluation, the step and the workdir.
    """
    # A process that computes in 64 bits elsewhere computes this run as any other does.
    narrow = config.model.dtype != "float64" and jax.config.jax_enable_x64
    with jax.enable_x64(False) if narrow else nullcontext():
        assembly = Assembly(config)
        profile = assembly.profile(workdir)
        with opened(assembly, config, workdir, guard) as (run, checkpoints, reports):
            result = loop.train(run, checkpoints, reports, profile)
    return {**result, "workdir": str(workdir)}


@contextmanager
def opened(
    assembly: Assembly,
    config: ConfigDict,
    workdir: Path,
    guard: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[tuple[Run, Checkpoints, Reports]]:
    """Claims `workdir` for the run, and opens its checkpoints and reports while entered.

    Args:
      guard: see `train`.
    """
    run = assembly.run(workdir)
    # Traced before anything is written, since a network may not fit its images.
    _ = assembly.abstract_state
    run_folder.claim(workdir, config, write=parallel.is_first_process())
    parallel.barrier("the workdir is claimed")
    with (
        assembly.checkpoints(workdir) as checkpoints,
        assembly.reports(workdir) as reports,
        # Inside the checkpoints, since closing them waits for every process.
        guard(),
    ):
        yield run, checkpoints, reports
