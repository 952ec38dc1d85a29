"""A training run from its configuration, for the verbs and for anyone who imports this package."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from resnet_jax.assembly import Assembly, environment, run_folder
from resnet_jax.assembly.identity import Identity
from resnet_jax.assembly.keys import facts
from resnet_jax.assembly.lock import alone
from resnet_jax.reporting.reports import Reports
from resnet_jax.training import loop, parallel
from resnet_jax.training.checkpoint import Checkpoints


def train(
    config: ConfigDict,
    workdir: Path,
    guard: Callable[[], AbstractContextManager[None]] = nullcontext,
    lock: Callable[[list[Path]], AbstractContextManager[Any]] = alone,
) -> dict[str, Any]:
    """Starts the run of `config` in `workdir`, or continues the one that is there.

    Args:
      guard: entered while the run trains. The command line's guard ends this process where another
        process of the run is lost.
      lock: keeps other processes from training in the workdir.

    Returns:
      The figures of the final evaluation, the step and the workdir.
    """
    # A process that computes in 64 bits elsewhere computes this run as any other does.
    narrow = config.model.dtype != "float64" and jax.config.jax_enable_x64
    with jax.enable_x64(False) if narrow else nullcontext():
        assembly = assembled(config, workdir)
        profile = assembly.profile(workdir)
        run = assembly.run(workdir)
        with lock([workdir]), opened(assembly, workdir, guard) as (checkpoints, reports):
            result = loop.train(run, checkpoints, reports, profile)
    return {**result, "workdir": str(workdir)}


def assembled(config: ConfigDict, workdir: Path, **options: Any) -> Assembly:
    """The run of `config`, with the classes that it has where it has begun in `workdir`.

    Args:
      options: see Assembly.

    Raises:
      UserError: the workdir holds a run of another configuration.
    """
    return Assembly(config, known=run_folder.begun(workdir, config), **options)


@contextmanager
def opened(
    assembly: Assembly,
    workdir: Path,
    guard: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[tuple[Checkpoints, Reports]]:
    """Claims `workdir` for the run, and opens its checkpoints and reports while entered.

    Args:
      guard: see `train`.
    """
    # Traced before anything is written, since a network may not fit its images.
    _ = assembly.abstract_state
    config, data = assembly.config, assembly.inputs.facts()
    run_folder.claim(workdir, config, data)
    identity = Identity(facts(config), data)
    if parallel.is_first_process():
        print(environment.beginning(assembly, workdir), flush=True)
        if unused := environment.unused_card():
            print(unused, file=sys.stderr)
    with (
        assembly.checkpoints(workdir, identity) as checkpoints,
        assembly.reports(workdir) as reports,
        environment.recorded(assembly, workdir),
        # Inside the checkpoints, since closing them waits for every process.
        guard(),
    ):
        yield checkpoints, reports
