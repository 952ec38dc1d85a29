"""Every published network as a row of data: its name, and the arguments of `building.resnet`."""

from resnet_jax.models.published.catalogue import ROWS
from resnet_jax.models.published.finding import find

__all__ = ["ROWS", "find"]
