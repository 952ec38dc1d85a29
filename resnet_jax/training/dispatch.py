"""Compiles one or several training steps into one call, and sends the call its examples."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from resnet_jax.data.contract import Data
from resnet_jax.training import parallel
from resnet_jax.training.compilation import compile_step
from resnet_jax.training.optim import Numbers
from resnet_jax.training.state import TrainState
from resnet_jax.training.steps import TrainStep, step_keys

Tree = Any


class Dispatch:
    """Makes `count` updates in one compiled call; the state that goes in is donated.

    A call is compiled once for each count and size of images. The examples and the random choices
    of step k depend on (seed, k) alone.

    Args:
      train_step: makes the step from its numbers, which are arguments of what is compiled: runs
        of other numbers and seeds find it in the cache, and members of one program
        (sweeps/members.py) compute the same, bit for bit.
      on_compiled: called after each compilation, before the first step that it made possible.
      shard_state: see parallel.Placement.
      compiler_options: XLA's, see compilation.
    """

    def __init__(
        self,
        train_step: Callable[[Numbers], TrainStep],
        data: Data,
        *,
        numbers: Numbers,
        seed: int,
        batch_size: int,
        mesh: Mesh,
        on_compiled: Callable[[], None],
        shard_state: bool = False,
        compiler_options: dict[str, Any] | None = None,
    ):
        self._train_step, self._data = train_step, data
        self._seed, self._batch_size, self._mesh = seed, batch_size, mesh
        self._on_compiled, self._compiler_options = on_compiled, compiler_options or {}
        self._placement = parallel.Placement(mesh, shard_state)
        self._arrays = parallel.place(data.arrays, parallel.replicated(mesh))
        constants = Constants.of(seed, numbers)
        self._constants = parallel.place(constants, parallel.replicated(mesh))
        self._compiled: dict[tuple, Any] = {}

    def __call__(self, state: TrainState, step: int, count: int) -> tuple[TrainState, Tree]:
        """Returns the new state and the reports of the steps, stacked."""
        picks = [
            self._data.train_picks(self._seed, number, self._batch_size)
            for number in range(step, step + count)
        ]
        stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *picks)
        placed = parallel.place_rows(stacked, parallel.batch_sharded(self._mesh, axis=1))
        shapes = tuple(leaf.shape for leaf in jax.tree.leaves(placed))
        if shapes not in self._compiled:
            self._compiled[shapes] = self._compile(state, placed)
            self._on_compiled()
        return self._compiled[shapes](state, self._arrays, placed, self._constants)

    def _compile(self, state: TrainState, picks: Tree) -> Any:
        out_shardings = self._placement.at_rest(state), parallel.replicated(self._mesh)
        jitted = jax.jit(self._steps, donate_argnums=0, out_shardings=out_shardings)
        lowered = jitted.lower(state, self._arrays, picks, self._constants)
        return compile_step(lowered, self._compiler_options)

    def _steps(
        self, state: TrainState, arrays: Tree, picks: Tree, constants: "Constants"
    ) -> tuple[TrainState, Tree]:
        sharding = parallel.batch_sharded(self._mesh)
        place = partial(jax.lax.with_sharding_constraint, shardings=sharding)
        train_step = self._placement.step(self._train_step(constants.numbers))
        return steps(train_step, self._data, state, arrays, picks, constants.key_data, place)


class Constants(NamedTuple):
    """What runs of one compiled step may differ in, as arrays."""

    key_data: Any
    numbers: Numbers

    @classmethod
    def of(cls, seed: int, numbers: Numbers) -> "Constants":
        real = jax.dtypes.canonicalize_dtype(float)
        key_data = np.asarray(jax.random.key_data(jax.random.key(seed)))
        return cls(key_data, Numbers(*(np.array(number, real) for number in numbers)))


def steps(
    train_step: Callable[..., tuple[TrainState, Tree]],
    data: Data,
    state: TrainState,
    arrays: Tree,
    picks: Tree,
    key_data: jax.Array,
    place: Callable[[Any], Any] = lambda batch: batch,
) -> tuple[TrainState, Tree]:
    """One update for each of the stacked picks; returns the new state and the stacked reports.

    Args:
      arrays: of the data.
      key_data: of the run's key.
      place: says where a batch lies.
    """
    key = jax.random.wrap_key_data(key_data)

    def one(state: TrainState, picks: Tree) -> tuple[TrainState, Tree]:
        data_key, network_key = step_keys(key, state.step)
        batch = place(data.train_batch(arrays, picks, data_key))
        return train_step(state, batch, network_key)

    if len(jax.tree.leaves(picks)[0]) > 1:
        return jax.lax.scan(one, state, picks)
    state, report = one(state, jax.tree.map(lambda leaf: leaf[0], picks))
    return state, jax.tree.map(lambda leaf: leaf[None], report)
