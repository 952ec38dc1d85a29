"""Saving and restoring a run's state with Orbax, so that damage is noticed and never spreads."""

import dataclasses
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import jax
import orbax.checkpoint as ocp
from absl import logging
from etils import epath
from orbax.checkpoint import checkpoint_managers

from resnet_jax.tables import UserError
from resnet_jax.tables.errors import system_reason
from resnet_jax.training import parallel
from resnet_jax.training.checkpoint_manager import CheckpointManager
from resnet_jax.training.record import (
    NAME,
    Owner,
    Record,
    checksum,
    mend,
    metrics_of,
    set_aside,
    steps_in,
    top1,
)
from resnet_jax.training.state import TrainState

Tree = Any

HALF = ".orbax-checkpoint-tmp"  # in the names of folders that Orbax is writing
# Seconds in which a checkpoint that a run beside this process deletes has vanished.
PATIENCE = 1.0


class Checkpoints:
    """The checkpoints of one run: the newest and the best.

    Saving is asynchronous: it returns once the arrays are copied to the host. Each checkpoint
    carries a record with checksums, since a flipped byte in its files would go unnoticed. Nothing
    is written before the first save, so that others may read while a run trains.

    Args:
      directory: holds one folder a checkpoint, named by its step.
      keep: newest checkpoints to keep.
      keep_best: best ones by evaluation top-1 to keep beside them.
      to_stored, from_stored: convert the layout of a run's state to that of the files, and back;
        None: the layouts are the same.
      at_rest: a tree of shapes -> the sharding of each array; None: all lie as the state's first.
      owner: the run that the checkpoints are of; what it is is stored in each of them, and one of
        another run counts as damaged.
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
        owner: Owner | None = None,
    ):
        policies: list[Any] = [checkpoint_managers.LatestN(keep)]
        if keep_best:
            policies.append(
                checkpoint_managers.BestN(
                    get_metric_fn=top1, n=keep_best, keep_checkpoints_without_metrics=False
                )
            )
        self._directory = epath.Path(directory).absolute()
        self._options = ocp.CheckpointManagerOptions(
            preservation_policy=checkpoint_managers.AnyPreservationPolicy(policies),
            best_fn=top1,  # without it the metrics are not saved
        )
        self._to_stored = to_stored or (lambda tree: tree)
        self._from_stored = from_stored or (lambda tree: tree)
        self._at_rest = at_rest
        self._owner = owner
        self._what = None if owner is None else owner.as_json()
        self._writes = False
        self._manager = self._open()

    def _open(self) -> CheckpointManager:
        # A process that only reads must not delete what is half written, since another one may be
        # writing it, nor read all metrics, since another one may be deleting them.
        return CheckpointManager(
            self._directory,
            options=dataclasses.replace(
                self._options,
                create=self._writes,
                cleanup_tmp_directories=self._writes,
                lightweight_initialize=not self._writes,
            ),
        )

    def _reopen(self) -> None:
        self._manager.close()
        self._manager = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            with self._saving():
                self._manager.close()
        except UserError:
            # Of two errors the first is the one to tell.
            if error is None:
                raise

    @property
    def steps(self) -> list[int]:
        """Steps of the finished checkpoints, oldest first."""
        return steps_in(self._directory)

    @property
    def best_step(self) -> int | None:
        """The step with the highest evaluation top-1 among those kept."""
        found = {step: metrics_of(self._directory / str(step)) for step in self.steps}
        scores = {step: top1(metrics) for step, metrics in found.items() if metrics}
        return max(scores, key=scores.__getitem__) if scores else None

    def record(self, step: int) -> Record:
        """What the checkpoint of a step says of itself."""
        return Record.read(self._directory / str(step))

    def save(
        self,
        state: TrainState,
        metrics: dict[str, float] | None = None,
        owed: Mapping[str, Any] | None = None,
        best: Mapping[str, Any] | None = None,
    ) -> None:
        """Saves the state under its step; does nothing where that step is saved already.

        Args:
          metrics: of the evaluation of the state, where there was one.
          owed, best: see Record.
        """
        step = int(state.step)
        if step in self._manager.all_steps():
            return
        if not self._writes:
            self._writes = True
            if parallel.is_first_process():
                mend(self._directory)
            parallel.barrier("metrics are whole")
            self._reopen()
        stored = self._to_stored(state)
        record = Record(checksum(stored), step, metrics, self._what, owed, best)
        with self._saving():
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(stored),
                    **{NAME: ocp.args.JsonSave(record.sealed())},
                ),
                metrics=metrics,
            )

    @contextmanager
    def _saving(self) -> Iterator[None]:
        """Says in a sentence why this save, or the one before that is still going on, fails."""
        try:
            yield
        except Exception as error:
            reason = system_reason(error)
            if reason is None:
                raise
            for half in self._directory.glob(f"*{HALF}*"):
                shutil.rmtree(half, ignore_errors=True)
            kept = f"that of step {self.steps[-1]} is kept" if self.steps else "none is there yet"
            raise UserError(
                f"can't save a checkpoint in {self._directory} ({reason}): {kept}; mend that, and"
                " the same command goes on"
            ) from None

    def restore(
        self,
        like: TrainState,
        step: int | None = None,
        *,
        best: bool = False,
        sets_aside: bool = True,
    ) -> TrainState | None:
        """Returns the newest whole checkpoint, or that of `step`; None where there is none.

        Where a checkpoint is damaged the one before is tried.

        Args:
          like: a state of the same run, or its shapes; the result has its structure, types and
            placement.
          best: take the one with the highest evaluation top-1, whatever `step` says.
          sets_aside: once a whole one is found, move the damaged newer ones to the folder 'damaged'
            beside them, so that a run that goes on can save its own in their place. A process that
            only reads says False, and may read beside a run that trains.

        Raises:
          UserError: no checkpoint of that step, none was evaluated, or all are damaged.
        """
        # A save of this process that is still going on counts.
        self._manager.wait_until_finished()
        steps = self._candidates(step, best)
        damaged: list[int] = []
        for candidate in reversed(steps):
            state, reason = None, ""
            try:
                state = self._restore(like, candidate)
            except Exception as error:  # whatever a damaged file makes the reader raise
                reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            if parallel.holds_everywhere(state is not None):
                if sets_aside:
                    self._set_aside(damaged)
                return state
            if not sets_aside and self._is_deleted(candidate):
                return self.restore(like, step, best=best, sets_aside=False)
            logging.error("checkpoint %d is damaged (%s)", candidate, reason)
            damaged.append(candidate)
        if steps:
            raise UserError(
                f"no checkpoint in {self._directory} can be read ({steps} are damaged): restore the"
                " folder from a copy, or start again in a new workdir"
            )
        return None

    def _candidates(self, step: int | None, best: bool) -> list[int]:
        steps = self.steps
        if best:
            step = self.best_step
            if step is None:
                raise UserError(
                    f"none of the checkpoints in {self._directory} was evaluated: leave out --best,"
                    " or set checkpoint.every_epochs to a multiple of eval.every_epochs and train"
                    " again"
                )
        elif step is None:
            return steps
        elif step not in steps:
            raise UserError(
                f"no checkpoint of step {step} in {self._directory}; there are: {steps}"
            )
        return [step]

    def _is_deleted(self, step: int) -> bool:
        """Whether a run that trains beside this process deletes the step: it does so file by file.

        It has then saved a newer one.
        """
        end = time.monotonic() + PATIENCE
        while (here := step in self.steps) and time.monotonic() < end:
            time.sleep(0.02)
        return not parallel.holds_everywhere(here)

    def _restore(self, like: TrainState, step: int) -> TrainState:
        record = Record.read(self._directory / str(step))
        if record.step not in (None, step):
            raise ValueError(f"it is that of step {record.step}")
        if self._owner is not None and record.run is not None:
            difference = self._owner.unlike(record.run)
            if difference:
                raise ValueError(f"it is of another run: {difference}")
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
            step, args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
        )
        if checksum(restored["state"]) != record.arrays:
            raise ValueError("its arrays do not match their checksum")
        if (found := int(restored["state"].step)) != step:
            raise ValueError(f"it is that of step {found}")
        state = self._from_stored(restored["state"])
        return jax.device_put(state, jax.tree.map(lambda leaf: leaf.sharding, like))

    def _set_aside(self, steps: list[int]) -> None:
        if parallel.is_first_process():
            set_aside(self._directory, steps)
        parallel.barrier("damaged checkpoints are set aside")
        if steps:
            self._reopen()

    def wait(self) -> None:
        """Returns once everything saved lies on disk."""
        with self._saving():
            self._manager.wait_until_finished()
