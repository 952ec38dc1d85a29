"""The network that a configuration describes."""

from ml_collections import ConfigDict

from resnet_jax.models.building import resnet
from resnet_jax.models.resnet import ResNet


def network(config: ConfigDict, *, classes: int, side_by_side: bool = False) -> ResNet:
    """The network of `config.model` and `config.norm`.

    Args:
      side_by_side: see models.layers.Layers.

    Raises:
      UserError: the configuration describes no network.
    """
    return resnet(
        **config.model,
        norm=config.norm.to_dict(),
        classes=classes,
        frozen_parts=config.finetune.frozen_parts,
        side_by_side=side_by_side,
    )
