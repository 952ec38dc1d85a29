"""Evaluation of a whole split, and batch statistics of the training set."""

import math
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import jax
from jax.sharding import Mesh
from jaxtyping import Array

from resnet_jax.data.contract import Data, EvalData
from resnet_jax.training import batch_stats, metrics, parallel
from resnet_jax.training.compilation import Repeated
from resnet_jax.training.steps import Apply, averaged, step_keys

Tree = Any


# (variables, images, *arguments) -> logits, which may be of several views of each image
Logits = Callable[..., Array]
# (logits, labels, mask, logits of the first of several views or None) of a batch -> sums over the
# examples that the mask counts
BatchSums = Callable[[Array, Array, Array, Array | None], metrics.Sums]


class Evaluator:
    """Sums metrics over every example of a split, each once, and divides by their number.

    Args:
      batch_size: examples at once, split over the devices of the mesh.
      sums: of a batch.
      average: logits of views, [batch, views, classes] -> those of images.
      rows: metrics that those sums make.
      compiler_options: XLA's.
    """

    def __init__(
        self,
        logits: Logits,
        data: EvalData,
        batch_size: int,
        mesh: Mesh,
        sums: BatchSums = metrics.sums,
        average: Callable[[Array], Array] = averaged,
        rows: Mapping[str, metrics.Metric] = metrics.METRICS,
        compiler_options: Mapping[str, Any] = MappingProxyType({}),
    ):
        self._rows = rows
        self._data, self._batch_size, self._mesh = data, batch_size, mesh
        everywhere = parallel.replicated(mesh)
        self._arrays = parallel.place(data.arrays, everywhere)
        sharding = parallel.batch_sharded(mesh)

        def step(variables: Tree, arrays: Tree, picks: Any, arguments: Any) -> metrics.Sums:
            batch = data.eval_batch(arrays, picks)
            batch = jax.lax.with_sharding_constraint(batch, sharding)
            found, first = logits(variables, batch.images, *arguments), None
            if found.ndim == 3:
                found, first = average(found), found[:, 0]
            return sums(found, batch.labels, batch.mask, first)

        calls = math.ceil(data.examples / batch_size)
        self._step = Repeated(step, mesh, calls, compiler_options, out_shardings=everywhere)

    def __call__(self, variables: Tree, *arguments: Any) -> dict[str, float | int]:
        """Returns the figure of every metric, and the number of examples; accuracies are fractions.

        Args:
          arguments: handed to `logits` after variables and images.
        """
        return metrics.means(self.batches(variables, *arguments), self._rows)

    def batches(self, variables: Tree, *arguments: Any) -> list[metrics.Sums]:
        """Returns the sums of each batch."""
        return jax.device_get(
            [self._step(variables, self._arrays, picks, arguments) for picks in self.placed_picks()]
        )

    def traced(self, variables: Tree, *arguments: Any) -> jax.stages.Traced:
        """The first batch's computation, traced and not compiled."""
        return self._step.traced(variables, self._arrays, next(self.placed_picks()), arguments)

    def placed_picks(self) -> Iterator[Tree]:
        """Yields the picks of each batch, placed on the devices."""
        sharding = parallel.batch_sharded(self._mesh)
        for picks in self._data.eval_picks(self._batch_size, parallel.data_shards(self._mesh)):
            yield parallel.place_rows(picks, sharding)


class Recalibration:
    """Replaces running averages by statistics of training batches, for fixed parameters.

    Args:
      apply: of the network with norm momentum 0 and without dropout.
      steps: training batches to read, as augmented in the first steps of a run.
      compiler_options: XLA's.
    """

    def __init__(
        self,
        apply: Apply,
        data: Data,
        seed: int,
        batch_size: int,
        steps: int,
        mesh: Mesh,
        compiler_options: Mapping[str, Any] = MappingProxyType({}),
    ):
        self._data, self._seed, self._batch_size, self._steps = data, seed, batch_size, steps
        self._mesh = mesh
        everywhere = parallel.replicated(mesh)
        self._arrays = parallel.place(data.arrays, everywhere)
        sharding = parallel.batch_sharded(mesh)

        def step(variables: Tree, arrays: Tree, picks: Any, number: jax.Array) -> Tree:
            batch = data.train_batch(arrays, picks, step_keys(seed, number)[0])
            batch = jax.lax.with_sharding_constraint(batch, sharding)
            return batch_stats.of_batch(apply, variables["params"], variables["batch_stats"], batch)

        self._step = Repeated(step, mesh, steps, compiler_options, out_shardings=everywhere)

    def __call__(self, variables: Tree) -> Tree:
        """Returns the variables with batch statistics of the training set."""
        statistics = (
            self._step(variables, self._arrays, self._picks(step), step)
            for step in range(self._steps)
        )
        pooled = batch_stats.pool(statistics)
        return {**variables, "batch_stats": pooled}

    def traced(self, variables: Tree) -> jax.stages.Traced:
        """The statistics of the first batch, traced and not compiled."""
        return self._step.traced(variables, self._arrays, self._picks(0), 0)

    def _picks(self, step: int) -> Tree:
        picks = self._data.train_picks(self._seed, step, self._batch_size)
        return parallel.place_rows(picks, parallel.batch_sharded(self._mesh))
