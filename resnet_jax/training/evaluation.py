"""Evaluation of a whole split, and batch statistics of the training set."""

from functools import partial
from typing import Any

import jax
from jax.sharding import Mesh

from resnet_jax.data.contract import Data, EvalData
from resnet_jax.training import batch_stats, metrics, parallel
from resnet_jax.training.steps import Apply, BatchSums, eval_step, step_keys

Tree = Any


class Evaluator:
    """Sums metrics over every example of a split, each once, and divides by their number.

    Args:
      sums: of a batch, from its logits, labels and mask.
    """

    def __init__(
        self,
        apply: Apply,
        data: EvalData,
        batch_size: int,
        mesh: Mesh,
        sums: BatchSums = metrics.sums,
    ):
        self._data, self._batch_size, self._mesh = data, batch_size, mesh
        self._arrays = parallel.place(data.arrays, parallel.replicated(mesh))
        sharding = parallel.batch_sharded(mesh)

        @partial(jax.jit, out_shardings=parallel.replicated(mesh))
        def step(variables: Tree, arrays: Tree, picks: Any) -> metrics.Sums:
            batch = data.eval_batch(arrays, picks)
            batch = jax.lax.with_sharding_constraint(batch, sharding)
            return eval_step(apply, variables, batch, sums)

        self._step = step

    def __call__(self, variables: Tree) -> dict[str, float | int]:
        """Returns {"examples", "loss", "top1", "top5"}; accuracies are fractions."""
        return metrics.means(self.batches(variables))

    def batches(self, variables: Tree) -> list[metrics.Sums]:
        """Returns the sums of each batch."""
        sharding = parallel.batch_sharded(self._mesh)
        picks = self._data.eval_picks(self._batch_size, parallel.data_shards(self._mesh))
        sums = [
            self._step(variables, self._arrays, parallel.place_rows(pick, sharding))
            for pick in picks
        ]
        return jax.device_get(sums)


class Recalibration:
    """Replaces running averages by statistics of training batches, for fixed parameters.

    Args:
      apply: of the network with norm momentum 0 and without dropout.
      steps: training batches to read, as augmented in the first steps of a run.
    """

    def __init__(
        self, apply: Apply, data: Data, seed: int, batch_size: int, steps: int, mesh: Mesh
    ):
        self._data, self._seed, self._batch_size, self._steps = data, seed, batch_size, steps
        self._mesh = mesh
        self._arrays = parallel.place(data.arrays, parallel.replicated(mesh))
        sharding = parallel.batch_sharded(mesh)

        @partial(jax.jit, out_shardings=parallel.replicated(mesh))
        def step(variables: Tree, arrays: Tree, picks: Any, number: jax.Array) -> Tree:
            batch = data.train_batch(arrays, picks, step_keys(seed, number)[0])
            batch = jax.lax.with_sharding_constraint(batch, sharding)
            return batch_stats.of_batch(apply, variables["params"], variables["batch_stats"], batch)

        self._step = step

    def __call__(self, variables: Tree) -> Tree:
        """Returns the variables with batch statistics of the training set."""
        sharding = parallel.batch_sharded(self._mesh)

        def statistics(step: int) -> Tree:
            picks = self._data.train_picks(self._seed, step, self._batch_size)
            return self._step(variables, self._arrays, parallel.place_rows(picks, sharding), step)

        pooled = batch_stats.pool(statistics(step) for step in range(self._steps))
        return {**variables, "batch_stats": pooled}
