"""Every published network as a row of data: its name, and the arguments of `building.resnet`."""

from typing import Any

from resnet_jax.models.building import RULES_OUT, resnet
from resnet_jax.models.published.catalogue import ROWS
from resnet_jax.models.published.finding import find
from resnet_jax.models.resnet import ResNet

__all__ = ["ROWS", "find", "named"]


def named(name: str, **overrides: Any) -> ResNet:
    """Returns the published network of that name; see `models.create`."""
    row = dict(find(name))
    for given, ruled_out in RULES_OUT.items():
        if given in overrides:
            row.pop(ruled_out, None)
    return resnet(**{**row, **overrides})
