"""Which rows of an experiment share what chance decides, so that runs of one seed are pairs."""

from collections.abc import Mapping
from typing import Any

from resnet_jax.data.changes.augment import AUGMENTATIONS
from resnet_jax.data.photographs import KEYS as PHOTOGRAPHS

# Keys that leave a seed's initial parameters and the order of its examples as they are.
LEAVE_THE_START = (
    "eval.",
    "mixing.",
    "model.drop_whole_batch",
    "model.dropout",
    "model.survival",
    "norm.group_size",
    "optim.",
    "schedule.",
    "train.accumulate",
    "train.ema_decay",
    "train.epochs",
    "train.label_smoothing",
    "train.loss",
    "train.steps",
    *(f"data.{key}" for key in sorted({*AUGMENTATIONS, "augment", *PHOTOGRAPHS})),
)


def start_alike(changes: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Whether two runs have the same initial parameters and see examples in the same order.

    Args:
      changes, others: what each computes otherwise than the default; see experiment.Task.
    """
    return all(
        key.startswith(LEAVE_THE_START)
        for key in changes.keys() | others.keys()
        if (key in changes) != (key in others) or changes.get(key) != others.get(key)
    )
