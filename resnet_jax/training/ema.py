"""Exponential moving average of parameters and batch statistics."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

Tree = Any


def update(average: Tree, values: Tree, step: Array, decay: float) -> Tree:
    """Moves the average towards the values; early steps weigh more.

    The decay of step k is min(decay, (1 + k) / (10 + k)), so that the start is soon forgotten. This
    is TensorFlow's rule (tf.train.ExponentialMovingAverage with `num_updates`). timm's ModelEmaV3
    has min(decay, 1 - (1 + k)^(-2/3)) with its warm-up and `decay` alone without it.
    """
    count = jnp.asarray(step, float)
    decay_now = jnp.minimum(decay, (1 + count) / (10 + count))
    return jax.tree.map(
        lambda old, new: (old + (1 - decay_now) * (new - old)).astype(old.dtype), average, values
    )
