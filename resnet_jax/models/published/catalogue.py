"""The rows of all files of this folder in one table."""

from resnet_jax.models.published.byobnet import BYOBNET
from resnet_jax.models.published.cifar import CIFAR
from resnet_jax.models.published.compound import COMPOUND
from resnet_jax.models.published.convnext import CONVNEXT
from resnet_jax.models.published.cross_stage import CROSS_STAGE
from resnet_jax.models.published.imagenet import IMAGENET
from resnet_jax.models.published.normaliser_free import NORMALISER_FREE
from resnet_jax.models.published.preactivated import PREACTIVATED
from resnet_jax.models.published.regnet import REGNET
from resnet_jax.tables import Table

ROWS = Table(
    "network",
    {
        **IMAGENET,
        **PREACTIVATED,
        **COMPOUND,
        **REGNET,
        **NORMALISER_FREE,
        **CONVNEXT,
        **CROSS_STAGE,
        **BYOBNET,
        **CIFAR,
    },
)
