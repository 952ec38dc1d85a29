"""Schedule-free optimizers: steps from z, gradients at y, evaluation of x, their average.

Defazio et al., 'The Road Less Scheduled', arXiv 2405.15682, equations 3 to 5. With a momentum b
between 0 and 1, y = (1 - b) z + b x; the parameters of a training state are y. A constant rate
after a warm-up is what they are meant for (schedule.name=constant).
"""

from typing import Annotated, Any

import jax
import jax.numpy as jnp
import optax
from optax.contrib import ScheduleFreeState, schedule_free, schedule_free_eval_params

from resnet_jax.tables.domains import BelowOne, Interval, NonNegative, Positive
from resnet_jax.training.optimizers.update import Params, Update

Inside = Annotated[float, Interval(0, 1, above=True, below=True)]


def schedule_free_sgd(
    update: Update, momentum: Inside = 0.9, weight_power: NonNegative = 2.0
) -> optax.GradientTransformation:
    """Schedule-free SGD, z = z - rate (g + decay y).

    Args:
      momentum: share of the average x in y, where gradients are taken.
      weight_power: a step counts in the average as the largest rate so far to this power.
    """
    steps = optax.chain(update.l2(), optax.scale_by_learning_rate(update.learning_rate))
    return _averaging(steps, update, momentum, weight_power)


def schedule_free_adamw(
    update: Update,
    momentum: Inside = 0.9,
    b2: BelowOne = 0.999,
    eps: Positive = 1e-8,
    weight_power: NonNegative = 2.0,
) -> optax.GradientTransformation:
    """Schedule-free AdamW, z = z - rate (g / (sqrt(v) + eps) + decay y).

    Args:
      momentum, weight_power: see `schedule_free_sgd`.
    """
    steps = optax.chain(
        optax.scale_by_rms(b2, eps, eps_in_sqrt=False, bias_correction=True),
        update.l2(),
        optax.scale_by_learning_rate(update.learning_rate),
    )
    return _averaging(steps, update, momentum, weight_power)


def _averaging(
    steps: optax.GradientTransformation, update: Update, momentum: float, weight_power: float
) -> optax.GradientTransformation:
    def rate(count: Any) -> jax.Array:
        # Optax counts steps from 1 here, and from 0 where it makes them.
        return update.learning_rate(jnp.asarray(count - 1))

    return schedule_free(steps, rate, momentum, weight_power)


def averages(memory: optax.OptState) -> bool:
    """Whether an optimizer with this memory averages the parameters that are evaluated."""
    return _state(memory) is not None


def averaged(params: Params, memory: optax.OptState) -> Params:
    """The parameters that are evaluated: x of a schedule-free optimizer, else the parameters."""
    state = _state(memory)
    return params if state is None else schedule_free_eval_params(state, params)


def _state(memory: optax.OptState) -> ScheduleFreeState | None:
    leaves = jax.tree.leaves(memory, is_leaf=lambda node: isinstance(node, ScheduleFreeState))
    return next((leaf for leaf in leaves if isinstance(leaf, ScheduleFreeState)), None)
