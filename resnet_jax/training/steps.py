"""One step of training as a pure function, and the logits of an evaluation."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from resnet_jax.data.contract import Batch
from resnet_jax.training import ema, metrics
from resnet_jax.training.lookahead import Lookahead
from resnet_jax.training.losses import Loss, cross_entropy, smoothed
from resnet_jax.training.mixing import MixedBatch, Mixing, shares
from resnet_jax.training.optim import Numbers, Optimizer
from resnet_jax.training.state import TrainState, Tree

Apply = Callable[..., Any]
# (logits, batch) -> one number an example; training minimises their mean
Objective = Callable[[Array, Any], Array]


def step_keys(seed: int | Array, step: Array | int) -> tuple[Array, Array]:
    """Returns the keys of the data and of the network's random choices in this step.

    Args:
      seed: of the run, or the key made of it.
    """
    key = jax.random.key(seed) if isinstance(seed, int) else seed
    data_key, network_key = jax.random.split(jax.random.fold_in(key, step))
    return data_key, network_key


def class_objective(loss: Loss = cross_entropy, label_smoothing: float = 0.0) -> Objective:
    """The loss against the examples' classes, mixed where the images are mixed, and smoothed.

    Args:
      loss: a row of LOSSES, its options set.
      label_smoothing: see losses.smoothed.
    """

    def objective(logits: Array, batch: Batch | MixedBatch) -> Array:
        return loss(logits, smoothed(shares(batch, logits.shape[-1]), label_smoothing))

    return objective


@dataclass(frozen=True)
class TrainStep:
    """The training step of a run, a function of (state, batch, key, numbers).

    It is made once. Learning rate and weight decay are arguments, so that runs which differ in them
    alone share one compiled step.

    Attributes:
      apply: (variables, images, train, ...) -> logits, and the changed collections if asked for.
      optimizer: (learning rate of update k, weight decay) -> transformation of gradients.
      schedule: the learning rate of update k, as a factor of the peak rate.
      objective: the updates minimise its mean over the batch.
      mixing: mixes the images of a batch; None leaves them as they are.
      ema_decay: see ema; None keeps no average of this kind.
      lookahead: a row of LOOKAHEADS, called with its options, whose slow weights are the averages
        of the state; None keeps none.
      steps: updates in the whole run, for the lookahead.
      accumulate: number of micro-batches that a batch is split into. They are computed one after
        another, each with its own batch statistics, before one update.
      unroll: write the micro-batches out instead of looping over them (XLA's CPU loops slow
        convolutions tenfold).
    """

    apply: Apply
    optimizer: Optimizer
    schedule: optax.Schedule
    objective: Objective
    mixing: Mixing | None = None
    ema_decay: float | None = None
    lookahead: Lookahead | None = None
    steps: int = 1
    accumulate: int = 1
    unroll: bool = False

    def __call__(
        self, state: TrainState, batch: Any, key: Array, numbers: Numbers
    ) -> tuple[TrainState, dict]:
        """Returns the state after one update, and a report of it.

        Args:
          batch: a data.contract.Batch, or a record with its fields and those of the objective.
        """

        def learning_rate(step: Array) -> Array:
            # Of a whole number optax computes factors in float32, whatever the rate's precision.
            return numbers.rate * self.schedule(step.astype(jnp.result_type(numbers.rate)))

        if self.mixing is not None:
            key, mixing_key = jax.random.split(key)
            batch = self.mixing(mixing_key, batch)

        def gradients_at(params: Tree, _: int) -> Tree:
            return self._gradients(state.replace(params=params), batch, key)[0]

        gradients, (batch_stats, sums) = self._gradients(state, batch, key)
        optimizer = optax.with_extra_args_support(
            self.optimizer(learning_rate, numbers.weight_decay)
        )
        updates, opt_state = optimizer.update(
            gradients, state.opt_state, state.params, grad_fn=gradients_at
        )
        params = optax.apply_updates(state.params, updates)
        average, values = state.ema, {"params": params, "batch_stats": batch_stats}
        if self.ema_decay is not None:
            average = ema.update(average, values, state.step, self.ema_decay)
        if self.lookahead is not None:
            average, values = self.lookahead(average, values, state.step + 1, self.steps)
        report = {
            "sums": sums,
            "gradient_norm": optax.tree.norm(gradients),
            "learning_rate": learning_rate(state.step),
        }
        new_state = state.replace(step=state.step + 1, **values, opt_state=opt_state, ema=average)
        return new_state, report

    def _loss(self, params: Tree, batch_stats: Tree, batch: Any, key: Array) -> tuple[Array, Any]:
        logits, changed = self.apply(
            {"params": params, "batch_stats": batch_stats},
            batch.images,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": key},
        )
        loss = self.objective(logits, batch).mean()
        sums = metrics.sums(logits, batch.labels, batch.mask)
        return loss, (changed.get("batch_stats", batch_stats), sums)

    def _gradients(self, state: TrainState, batch: Any, key: Array) -> tuple[Tree, Any]:
        """Means of gradient and batch statistics over the micro-batches, sums of their metrics."""
        gradient = jax.grad(self._loss, has_aux=True)
        if self.accumulate == 1:
            return gradient(state.params, state.batch_stats, batch, key)

        def add(total: Any, micro_batch: tuple[Any, Array]) -> tuple[Any, None]:
            values = gradient(state.params, state.batch_stats, *micro_batch)
            return jax.tree.map(jnp.add, total, values), None

        micro_batches = jax.tree.map(self._split, batch), jax.random.split(key, self.accumulate)
        first = jax.tree.map(lambda leaf: leaf[0], micro_batches)
        zeros = jax.tree.map(
            lambda leaf: jnp.zeros(leaf.shape, leaf.dtype),
            jax.eval_shape(gradient, state.params, state.batch_stats, *first),
        )
        total, _ = jax.lax.scan(add, zeros, micro_batches, unroll=self.unroll)
        gradients, (batch_stats, sums) = total
        mean = partial(jax.tree.map, lambda leaf: leaf / self.accumulate)
        return mean(gradients), (mean(batch_stats), sums)

    def _split(self, leaf: Array) -> Array:
        """[batch, ...] -> [micro-batch, example, ...].

        Micro-batch m of n has the examples m, m + n, m + 2 n, ... of the batch, so that each device
        finds its own examples in all of them.
        """
        return leaf.reshape(-1, self.accumulate, *leaf.shape[1:]).swapaxes(0, 1)


def view_logits(
    apply: Apply, variables: Tree, images: Float[Array, "batch *views height width channels"]
) -> Float[Array, "batch *views classes"]:
    """Logits of every view of every image, with running statistics and without dropout."""
    if images.ndim == 4:
        return apply(variables, images, train=False)
    batch, views = images.shape[:2]
    logits = apply(variables, images.reshape(-1, *images.shape[2:]), train=False)
    return logits.reshape(batch, views, -1)


def averaged(
    logits: Float[Array, "batch views classes"],
    *,
    average_logits: bool = False,
    weights: Sequence[float] | None = None,
) -> Float[Array, "batch classes"]:
    """The logits of images from those of their views.

    They are the logarithm of the mean probabilities: Krizhevsky et al., NIPS 2012, section 4.1,
    whose ten crops 'Deep Residual Learning' tests with. With `average_logits` they are the mean
    logits, which rank classes as FFCV's sum does.

    Args:
      weights: of the views, with the sum 1; None: all the same.
    """
    views = logits.shape[1]
    shares = None if weights is None else jnp.array(weights, logits.dtype).reshape(1, views, 1)
    if average_logits:
        return logits.mean(axis=1) if shares is None else (shares * logits).sum(axis=1)
    log_probabilities = jax.nn.log_softmax(logits)
    if shares is None:
        return jax.nn.logsumexp(log_probabilities, axis=1) - math.log(views)
    return jax.nn.logsumexp(log_probabilities, axis=1, b=shares)


def eval_logits(
    apply: Apply,
    variables: Tree,
    images: Float[Array, "batch *views height width channels"],
    **average: Any,
) -> Float[Array, "batch classes"]:
    """Logits of images, or of stacks of their views; see view_logits.

    Args:
      average: arguments of averaged.
    """
    logits = view_logits(apply, variables, images)
    return averaged(logits, **average) if logits.ndim == 3 else logits
