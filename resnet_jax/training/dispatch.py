"""Compiles one or several training steps into one call, and sends each call its examples."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from resnet_jax.training import parallel
from resnet_jax.training.compilation import compile_step
from resnet_jax.training.optim import Numbers
from resnet_jax.training.run import Compiling, Run
from resnet_jax.training.state import TrainState, Tree
from resnet_jax.training.steps import step_keys


class Dispatch:
    """Makes updates of one run; each batch is split over the run's mesh.

    A call is compiled once for each number of steps and each size of images. The examples and the
    random choices of step k depend on (seed, k) alone. Seed and numbers are arguments of what is
    compiled: runs of other seeds and numbers find it in the cache, and members of one program
    (sweeps/members.py) compute the same, bit for bit.

    Args:
      runs: exactly one; the loop hands over the runs of all its members.
      compiling: entered while a call is compiled.
    """

    def __init__(self, runs: Sequence[Run], compiling: Compiling = nullcontext):
        (self._run,) = runs
        self._compiling = compiling
        self._placement = parallel.Placement(self._run.mesh, self._run.shard_state)
        everywhere = parallel.replicated(self._run.mesh)
        self._arrays = parallel.place(self._run.data.arrays, everywhere)
        self._constants = parallel.place(Constants.of(self._run), everywhere)
        self._compiled: dict[tuple, Any] = {}

    def join(self, states: Sequence[TrainState]) -> TrainState:
        """The state that calls take, from the states of the runs: here there is one."""
        (state,) = states
        return state

    def split(self, state: TrainState) -> list[TrainState]:
        """The state of each run, from the state that a call returned."""
        return [state]

    def __call__(self, state: TrainState, step: int, count: int) -> tuple[TrainState, list[Tree]]:
        """Makes the updates step + 1 ... step + count; the state that goes in is donated.

        Returns:
          The new state, and of each run the reports of these updates, stacked.
        """
        picks = self._picks(step, count)
        shapes = tuple(leaf.shape for leaf in jax.tree.leaves(picks))
        if shapes not in self._compiled:
            with self._compiling():
                self._compiled[shapes] = compile_step(
                    self._traced(state, picks).lower(),
                    self._run.compiler_options,
                    self._run.choices,
                )
        state, report = self._compiled[shapes](state, self._arrays, picks, self._constants)
        return state, [report]

    def traced(self, state: TrainState, step: int, count: int) -> jax.stages.Traced:
        """A call, traced and not compiled; the state may hold shapes alone."""
        return self._traced(state, self._picks(step, count))

    def _picks(self, step: int, count: int) -> Tree:
        rows = parallel.batch_sharded(self._run.mesh, axis=1)
        return parallel.place_rows(stacked_picks(self._run, step, count), rows)

    def _traced(self, state: TrainState, picks: Tree) -> jax.stages.Traced:
        out_shardings = self._placement.at_rest(state), parallel.replicated(self._run.mesh)
        jitted = jax.jit(self._steps, donate_argnums=0, out_shardings=out_shardings)
        return jitted.trace(state, self._arrays, picks, self._constants)

    def _steps(
        self, state: TrainState, arrays: Tree, picks: Tree, constants: "Constants"
    ) -> tuple[TrainState, Tree]:
        sharding = parallel.batch_sharded(self._run.mesh)
        place = partial(jax.lax.with_sharding_constraint, shardings=sharding)
        gathering = self._placement.step(self._run.train_step)
        run = self._run._replace(train_step=gathering)
        return steps(run, state, arrays, picks, constants, place)


class Constants(NamedTuple):
    """Seed and numbers of a run as arrays: runs that share a compiled step differ in them alone."""

    key_data: Any
    numbers: Numbers

    @classmethod
    def of(cls, run: Run) -> "Constants":
        real = jax.dtypes.canonicalize_dtype(float)
        key_data = np.asarray(jax.random.key_data(jax.random.key(run.seed)))
        return cls(key_data, Numbers(*(np.array(number, real) for number in run.numbers)))


def stacked_picks(run: Run, step: int, count: int) -> Tree:
    """The picks of `count` steps from `step` on, stacked."""
    picks = [
        run.data.train_picks(run.seed, number, run.batch_size)
        for number in range(step, step + count)
    ]
    return jax.tree.map(lambda *arrays: np.stack(arrays), *picks)


def steps(
    run: Run,
    state: TrainState,
    arrays: Tree,
    picks: Tree,
    constants: Constants,
    place: Callable[[Any], Any] = lambda batch: batch,
) -> tuple[TrainState, Tree]:
    """One update for each of the stacked picks; returns the new state and the stacked reports.

    Args:
      run: its step and data are used; seed and numbers come from `constants`.
      arrays: of the data.
      place: puts a batch where it is computed on.
    """
    key = jax.random.wrap_key_data(constants.key_data)

    def one(state: TrainState, picks: Tree) -> tuple[TrainState, Tree]:
        data_key, network_key = step_keys(key, state.step)
        batch = place(run.data.train_batch(arrays, picks, data_key))
        return run.train_step(state, batch, network_key, constants.numbers)

    if len(jax.tree.leaves(picks)[0]) > 1:
        return jax.lax.scan(one, state, picks)
    state, report = one(state, jax.tree.map(lambda leaf: leaf[0], picks))
    return state, jax.tree.map(lambda leaf: leaf[None], report)
