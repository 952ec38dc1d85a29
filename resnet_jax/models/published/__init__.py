"""Every published network as a row of data: its name, and the arguments of `building.resnet`."""

from resnet_jax.models.published.cifar import CIFAR
from resnet_jax.models.published.compound import COMPOUND
from resnet_jax.models.published.imagenet import IMAGENET
from resnet_jax.models.published.preactivated import PREACTIVATED
from resnet_jax.models.published.regnet import REGNET
from resnet_jax.tables import Table

ROWS = Table("network", {**IMAGENET, **PREACTIVATED, **COMPOUND, **REGNET, **CIFAR})
