"""Losses, one number an example, in at least float32."""

import optax
from jax.nn import one_hot
from jaxtyping import Array, Float, Int32


def cross_entropy(
    logits: Float[Array, "batch classes"],
    labels: Int32[Array, "batch"],
    label_smoothing: float = 0.0,
) -> Float[Array, "batch"]:
    """Cross-entropy in nats; smoothing moves that share of the target to the uniform distribution.

    Label smoothing: Szegedy et al., arXiv 1512.00567, section 7.
    """
    targets = optax.smooth_labels(one_hot(labels, logits.shape[-1]), label_smoothing)
    return optax.softmax_cross_entropy(logits, targets.astype(logits.dtype))
