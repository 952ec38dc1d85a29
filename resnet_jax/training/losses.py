"""Losses, one number an example, in at least float32.

Targets are the share of each class in an example, see `mixing.shares`; they may be smoothed.
"""

from collections.abc import Callable

import optax
from jaxtyping import Array, Float

from resnet_jax.tables import Table
from resnet_jax.tables.domains import BelowOne

Loss = Callable[[Array, Array], Array]


def cross_entropy(
    logits: Float[Array, "batch classes"], targets: Float[Array, "batch classes"]
) -> Float[Array, "batch"]:
    """Cross-entropy of the softmax, in nats."""
    return optax.softmax_cross_entropy(logits, targets.astype(logits.dtype))


def binary_cross_entropy(
    logits: Float[Array, "batch classes"],
    targets: Float[Array, "batch classes"],
    target_threshold: BelowOne | None = None,
) -> Float[Array, "batch"]:
    """Mean over the classes of the cross-entropy of one sigmoid each, in nats.

    'ResNet strikes back', arXiv 2110.00476, section 3.2.

    Args:
      target_threshold: targets above it become 1 and the others 0, so that every class that was
        mixed in with more than this share counts as there.
    """
    if target_threshold is not None:
        targets = targets > target_threshold
    return optax.sigmoid_binary_cross_entropy(logits, targets.astype(logits.dtype)).mean(axis=-1)


LOSSES = Table(
    "train.loss",
    {
        "cross_entropy": cross_entropy,
        "binary_cross_entropy": binary_cross_entropy,
    },
)


def smoothed(targets: Float[Array, "batch classes"], share: float) -> Float[Array, "batch classes"]:
    """Moves this share of the targets to the uniform distribution.

    Label smoothing: Szegedy et al., arXiv 1512.00567, section 7.
    """
    return (1 - share) * targets + share / targets.shape[-1] if share else targets
