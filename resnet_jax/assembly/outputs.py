"""What a run that a configuration describes writes: reports, checkpoints, a profile."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from resnet_jax.assembly.identity import Identity
from resnet_jax.assembly.run_folder import CHECKPOINTS
from resnet_jax.reporting.console import Console
from resnet_jax.reporting.metrics_file import MetricsFile
from resnet_jax.reporting.reports import Reports, Sink
from resnet_jax.reporting.tensorboard import TensorBoard
from resnet_jax.reporting.wandb import WandB
from resnet_jax.training import metrics, parallel
from resnet_jax.training.checkpoint import Checkpoints
from resnet_jax.training.profile import Profile


def reports(config: ConfigDict, workdir: Path, steps: int) -> Reports:
    """The reports of a run of `steps` updates; only the first process writes them."""
    report = config.report
    if not parallel.is_first_process():
        return Reports([])
    console = Console(steps, metrics.in_brief(metrics.with_own(config.eval.metrics)))
    sinks: list[Sink] = [MetricsFile(workdir / "metrics.jsonl"), console]
    if report.tensorboard:
        sinks.append(TensorBoard(workdir / "tensorboard"))
    if report.wandb:
        sinks.append(WandB(workdir, report.project, config.to_dict()))
    return Reports(sinks)


def checkpoints(
    config: ConfigDict,
    workdir: Path,
    to_stored: Callable[[Any], Any] | None,
    from_stored: Callable[[Any], Any] | None,
    at_rest: Callable[[Any], Any],
    identity: Identity | None,
) -> Checkpoints:
    """The checkpoints of a run; see Checkpoints."""
    return Checkpoints(
        workdir / CHECKPOINTS,
        keep=config.checkpoint.keep,
        keep_best=config.checkpoint.keep_best,
        to_stored=to_stored,
        from_stored=from_stored,
        at_rest=at_rest,
        owner=identity,
    )


def profile(config: ConfigDict, workdir: Path) -> Profile:
    """The profile of the steps in `report.profile`; each process has a folder of its own."""
    index, count = parallel.process_shard()
    folder = workdir / "profile" / (f"process{index}" if count > 1 else "")
    return Profile(config.report.profile, folder)
