"""The parts of a network that fine-tuning treats separately: the stem, each stage, the head."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from resnet_jax.tables import UserError


def part_of(path: Sequence[str], stages: int) -> int:
    """('stage2', 'block1', 'conv1', 'kernel') -> 2; the stem is 0, the head one past the stages.

    What stands before the head, as its norm does, belongs to the last stage.
    """
    if path[0].startswith("stem"):
        return 0
    found = re.fullmatch(r"stage(\d+)", path[0])
    if found:
        return int(found[1])
    return stages if path[0].startswith("head_") else stages + 1


def is_norm(path: Sequence[str]) -> bool:
    """Whether ('stage1', 'block1', 'norm2', 'scale') is a parameter of a norm: here it is."""
    return len(path) > 1 and "norm" in path[-2]


def rate_shares(stages: int, frozen_parts: int, decay: float) -> tuple[float, ...]:
    """Each part's share of the learning rate: 0 where frozen, else decay^(parts to the head).

    Discriminative rates: Howard & Ruder, arXiv 1801.06146, section 3.2.

    Raises:
      UserError: a decay outside of (0, 1].
    """
    if not 0 < decay <= 1:
        raise UserError(f"finetune.rate_decay={decay} must lie in (0, 1]")
    head = stages + 1
    return tuple(0.0 if part < frozen_parts else decay ** (head - part) for part in range(head + 1))


def replaced(variables: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `variables` with the leaves of `others` in place of its own."""
    return {
        key: replaced(value, others[key])
        if isinstance(value, Mapping) and key in others
        else others.get(key, value)
        for key, value in variables.items()
    }
