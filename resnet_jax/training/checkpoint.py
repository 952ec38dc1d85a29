"""Saving and restoring a run's state with Orbax, so that damage is noticed and never spreads."""

import json
import zlib
from collections.abc import Callable
from itertools import count
from typing import Any, Self

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from etils import epath
from orbax.checkpoint import checkpoint_managers

from resnet_jax.tables import UserError
from resnet_jax.training import parallel
from resnet_jax.training.state import TrainState

Tree = Any


class Checkpoints:
    """The checkpoints of one run: the newest and the best.

    Saving is asynchronous: it returns once the arrays are copied to the host. Each checkpoint
    carries a checksum of its arrays, since a flipped byte in their files would go unnoticed.

    Args:
      directory: holds one folder a checkpoint, named by its step.
      keep: newest checkpoints to keep.
      keep_best: best ones by evaluation top-1 to keep beside them.
      to_stored, from_stored: convert the layout of a run's state to that of the files, and back;
        None: the layouts are the same.
      at_rest: a tree of shapes -> the sharding of each array; None: all lie as the state's first.
    """

    def __init__(
        self,
        directory: epath.PathLike,
        *,
        keep: int = 1,
        keep_best: int = 0,
        to_stored: Callable[[Tree], Tree] | None = None,
        from_stored: Callable[[Tree], Tree] | None = None,
        at_rest: Callable[[Tree], Tree] | None = None,
    ):
        policies: list[Any] = [checkpoint_managers.LatestN(keep)]
        if keep_best:
            policies.append(
                checkpoint_managers.BestN(
                    get_metric_fn=_top1, n=keep_best, keep_checkpoints_without_metrics=False
                )
            )
        self._directory = epath.Path(directory).absolute()
        self._options = ocp.CheckpointManagerOptions(
            preservation_policy=checkpoint_managers.AnyPreservationPolicy(policies),
            best_fn=_top1,  # without it the metrics are not saved
        )
        self._to_stored = to_stored or (lambda tree: tree)
        self._from_stored = from_stored or (lambda tree: tree)
        self._at_rest = at_rest
        self._manager = self._open()

    def _open(self) -> ocp.CheckpointManager:
        # Orbax reads all metrics as it opens, and stops at the first that it can't read.
        if parallel.is_first_process():
            for path in self._directory.glob("*/metrics/metrics"):
                try:
                    _top1(json.loads(path.read_text()))
                except (ValueError, KeyError, TypeError):
                    logging.error("the metrics in %s are damaged", path)
                    path.rename(f"{path}.damaged")
        parallel.barrier("metrics are whole")
        return ocp.CheckpointManager(self._directory, options=self._options)

    def _reopen(self) -> None:
        self._manager.close()
        self._manager = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self._manager.close()

    @property
    def steps(self) -> list[int]:
        """Steps of the finished checkpoints, oldest first."""
        return sorted(self._manager.all_steps())

    @property
    def best_step(self) -> int | None:
        """The step with the highest evaluation top-1 among those kept."""
        scored = {}
        for step in self.steps:
            metrics = self._manager.metrics(step)
            if metrics and "top1" in metrics:
                scored[step] = metrics["top1"]
        return max(scored, key=scored.__getitem__) if scored else None

    def save(self, state: TrainState, metrics: dict[str, float] | None = None) -> None:
        """Saves the state under its step; does nothing where that step is saved already."""
        step = int(state.step)
        if step in self._manager.all_steps():
            return
        if not self._options.cleanup_tmp_directories:
            # Deletes what a killed process left half written. A process that only reads must not,
            # since another one may be writing.
            self._options.cleanup_tmp_directories = True
            self._reopen()
        stored = self._to_stored(state)
        self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(stored),
                checksum=ocp.args.JsonSave({"crc32": checksum(stored)}),
            ),
            metrics=metrics,
        )

    def restore(
        self, like: TrainState, step: int | None = None, *, set_aside: bool = True
    ) -> TrainState | None:
        """Returns the newest whole checkpoint, or that of `step`; None where there is none.

        Where a checkpoint is damaged the one before is tried.

        Args:
          like: a state of the same run; the result has its structure, types and placement.
          set_aside: once a whole one is found, move the damaged newer ones to the folder 'damaged'
            beside them, so that a run that goes on can save its own in their place.

        Raises:
          UserError: no checkpoint of that step, or all are damaged.
        """
        steps = self.steps
        if step is not None:
            if step not in steps:
                raise UserError(
                    f"no checkpoint of step {step} in {self._directory}; there are: {steps}"
                )
            steps = [step]
        damaged: list[int] = []
        for candidate in reversed(steps):
            state = None
            try:
                state = self._restore(like, candidate)
            except Exception as error:  # whatever a damaged file makes the reader raise
                reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
                logging.error("checkpoint %d is damaged (%s)", candidate, reason)
            if parallel.holds_everywhere(state is not None):
                if set_aside:
                    self._set_aside(damaged)
                return state
            damaged.append(candidate)
        if steps:
            raise UserError(
                f"no checkpoint in {self._directory} can be read ({steps} are damaged): restore the"
                " folder from a copy, or start again in a new workdir"
            )
        return None

    def _restore(self, like: TrainState, step: int) -> TrainState:
        stored_like = jax.eval_shape(self._to_stored, like)
        if self._at_rest is None:
            first = jax.tree.leaves(like)[0].sharding
            placement = jax.tree.map(lambda leaf: first, stored_like)
        else:
            placement = self._at_rest(stored_like)
        abstract = jax.tree.map(
            lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            stored_like,
            placement,
        )
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(abstract), checksum=ocp.args.JsonRestore()
            ),
        )
        if checksum(restored["state"]) != restored["checksum"]["crc32"]:
            raise ValueError("its arrays do not match their checksum")
        state = self._from_stored(restored["state"])
        return jax.device_put(state, jax.tree.map(lambda leaf: leaf.sharding, like))

    def _set_aside(self, steps: list[int]) -> None:
        if parallel.is_first_process():
            self._move(steps)
        parallel.barrier("damaged checkpoints are set aside")
        if steps:
            self._reopen()

    def _move(self, steps: list[int]) -> None:
        for step in steps:
            folder = self._directory / "damaged"
            folder.mkdir(exist_ok=True)
            taken = [path.name for path in folder.iterdir()]
            names = (f"{step}-{number}" if number else f"{step}" for number in count())
            name = next(name for name in names if name not in taken)
            (self._directory / str(step)).rename(folder / name)

    def wait(self) -> None:
        """Returns once everything saved lies on disk."""
        self._manager.wait_until_finished()


def _top1(metrics: dict[str, float]) -> float:
    return metrics["top1"]


def checksum(tree: Tree) -> int:
    """CRC-32 over the bytes of all arrays, in the order of the tree."""
    value = 0
    for leaf in jax.tree.leaves(tree):
        value = zlib.crc32(
            np.ascontiguousarray(parallel.whole(leaf)).view(np.uint8).reshape(-1), value
        )
    return value
