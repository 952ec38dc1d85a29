"""The evaluation that a configuration describes."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from resnet_jax.assembly.inputs import Inputs
from resnet_jax.data.contract import EvalData
from resnet_jax.data.sources.benchmarks import Benchmark
from resnet_jax.models.resnet import ResNet
from resnet_jax.tables import UserError, with_options
from resnet_jax.training import metrics
from resnet_jax.training.details import DetailedSums
from resnet_jax.training.evaluation import BatchSums, Evaluator, Logits, Recalibration
from resnet_jax.training.parallel import Placement
from resnet_jax.training.steps import averaged, eval_logits, view_logits


class Evaluation:
    """Figures of a network's variables on the evaluation split and on other test sets.

    Args:
      seed, batch_size: of training; a recalibration reads its first batches.
      compiler_options: XLA's.
    """

    def __init__(
        self,
        config: ConfigDict,
        model: ResNet,
        inputs: Inputs,
        placement: Placement,
        seed: int,
        batch_size: int,
        compiler_options: Mapping[str, Any],
    ):
        self._compiler_options = compiler_options
        self._config, self._model, self._inputs = config, model, inputs
        self._placement, self._seed, self._batch_size = placement, seed, batch_size

    def make(self) -> None:
        """Makes evaluator and recalibration now and not when first used.

        Raises:
          UserError: the configuration describes them wrongly.
        """
        _ = self.evaluator, self.recalibration

    def __call__(self, variables: dict) -> dict[str, float | int]:
        """The figures of the evaluation split."""
        return self.evaluator(self.recalibrated(self._placement.gathered(variables)))

    def recalibrated(self, variables: dict) -> dict:
        """The variables with batch statistics of the training set, where the run asks for them."""
        return variables if self.recalibration is None else self.recalibration(variables)

    def totals(self, variables: dict, benchmark: Benchmark | None = None) -> dict[str, np.ndarray]:
        """Totals of training.details.DetailedSums, of the evaluation split or of a test set.

        Args:
          variables: recalibrated, where the run asks for it.
        """
        if benchmark is None:
            data, sums = self._inputs.eval_data, DetailedSums(metrics=self.metrics)
        else:
            data = self._inputs.benchmark_data(benchmark)
            sums = DetailedSums(benchmark.classes, benchmark.answers, self.metrics)
        return metrics.totals(self._evaluator_of(data, sums).batches(variables))

    @cached_property
    def metrics(self) -> dict[str, metrics.Metric]:
        """The metrics of an evaluation, with the user's own."""
        return metrics.with_own(self._config.eval.metrics)

    @cached_property
    def evaluator(self) -> Evaluator:
        return self._evaluator_of(
            self._inputs.eval_data, partial(metrics.sums, metrics=self.metrics)
        )

    def _evaluator_of(self, data: EvalData, sums: BatchSums) -> Evaluator:
        return Evaluator(
            partial(view_logits, self._model.apply),
            data,
            self._examples,
            self._placement.mesh,
            sums,
            partial(averaged, **self._average),
            self.metrics,
            self._compiler_options,
        )

    def logits(self, model: ResNet) -> Logits:
        """(variables, images or stacks of their views) -> logits, by this evaluation's average."""
        return partial(eval_logits, model.apply, **self._average)

    @cached_property
    def _average(self) -> dict[str, Any]:
        """How the views of an image are averaged; see training.steps.averaged."""
        of_logits, weights = self._config.eval.average_logits, self._inputs.views.weights
        return {"average_logits": of_logits, "weights": weights}

    @cached_property
    def _examples(self) -> int:
        return self._config.eval.batch_size

    @cached_property
    def recalibration(self) -> Recalibration | None:
        steps = self._config.eval.recalibration_steps
        if not steps:
            return None
        layers, block = self._model.layers, self._model.block
        if not layers.norm.running:
            raise UserError(
                "eval.recalibration_steps recomputes batch statistics, and this network has none:"
                " set it to 0, or norm.name=batch"
            )
        if block.drop_whole_batch and self._model.survival < 1:
            raise UserError(
                "eval.recalibration_steps computes statistics of whole branches, and"
                " model.drop_whole_batch multiplies them by their survival in evaluation: leave one"
                " of them unset"
            )
        if block.shortcut.random:
            raise UserError(
                "eval.recalibration_steps computes statistics as training does, and this"
                " model.shortcut draws at random there: set it to 0, or another model.shortcut"
            )
        model = self._model.clone(
            layers=replace(layers, norm=with_options(layers.norm, momentum=0.0)),
            block=replace(block, dropout=0.0),
            survival=1.0,
        )
        data, mesh = self._inputs.train_data, self._placement.mesh
        return Recalibration(
            model.apply, data, self._seed, self._batch_size, steps, mesh, self._compiler_options
        )
