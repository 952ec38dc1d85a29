"""What a residual network is. `create(name)` makes a published one, `names()` lists them."""

import fnmatch
from typing import Any

from resnet_jax.models.building import RULES_OUT, resnet
from resnet_jax.models.published import ROWS, find
from resnet_jax.models.resnet import ResNet


def names(pattern: str = "*") -> list[str]:
    """Returns the names of published networks that match a shell pattern, as in 'resnext*'."""
    return fnmatch.filter(ROWS, pattern)


def create(name: str, **overrides: Any) -> ResNet:
    """Returns the published network of that name.

    Args:
      overrides: arguments of `models.building.resnet` that take the place of the row's, as in
        `create('resnet50', classes=10, shortcut='C')`.

    Raises:
      UserError: there is no such network (names the nearest, and the kind of one that is known and
        can't be built), or an override is a mistake.
    """
    row = dict(find(name))
    for given, ruled_out in RULES_OUT.items():
        if given in overrides:
            row.pop(ruled_out, None)
    return resnet(**{**row, **overrides})
