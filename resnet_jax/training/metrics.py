"""Metrics as sums with a count, so that batches of any size add up to the whole set."""

from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np
from jax.nn import one_hot
from jaxtyping import Array, Bool, Float, Int32

from resnet_jax.training.losses import cross_entropy

Sums = dict[str, Array]


def sums(
    logits: Float[Array, "batch classes"],
    labels: Int32[Array, "batch"],
    mask: Bool[Array, "batch"],
) -> Sums:
    """Sums of loss, top-1 and top-5 hits over the examples that the mask lets count.

    A label is among the top k if fewer than k logits are larger, counting equal ones that stand
    before it: the order that a stable sort would give.
    """
    label_logit = jnp.take_along_axis(logits, labels[:, None], axis=1)
    before = jnp.arange(logits.shape[1])[None] < labels[:, None]
    rank = ((logits > label_logit) | ((logits == label_logit) & before)).sum(axis=1)
    # A NaN compares as not larger: without this it would count as a hit.
    rank = jnp.where(jnp.isnan(logits).any(axis=1), logits.shape[1], rank)
    losses = cross_entropy(logits, one_hot(labels, logits.shape[1]))
    return {
        "loss": jnp.where(mask, losses, 0).sum(),
        "top1": (mask & (rank < 1)).sum(),
        "top5": (mask & (rank < 5)).sum(),
        "examples": mask.sum(),
    }


def totals(batches: Iterable[Sums]) -> dict[str, np.ndarray]:
    """Adds batches up in float64 on the host."""
    added: dict[str, np.ndarray] = {}
    for batch in batches:
        for name, value in batch.items():
            added[name] = added.get(name, 0.0) + np.asarray(value, np.float64)
    return added


def means(batches: Iterable[Sums]) -> dict[str, float | int]:
    """The totals divided by the number of examples."""
    added = {name: float(total) for name, total in totals(batches).items()}
    examples = int(added.pop("examples"))
    return {"examples": examples, **{name: total / examples for name, total in added.items()}}
