"""Every published network as a row of data: a name, and what `models.zoo.resnet` is called with."""

from typing import Any

from resnet_jax.models.published.cifar import CIFAR
from resnet_jax.models.published.imagenet import IMAGENET
from resnet_jax.models.published.preactivated import PREACTIVATED

ROWS: dict[str, dict[str, Any]] = {**IMAGENET, **PREACTIVATED, **CIFAR}
