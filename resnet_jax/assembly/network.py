"""The network that a configuration describes."""

from ml_collections import ConfigDict

from resnet_jax.models.building import resnet
from resnet_jax.models.resnet import ResNet


def network(config: ConfigDict, *, classes: int, on_cpu: bool) -> ResNet:
    """The network of `config.model` and `config.norm`.

    Args:
      on_cpu: whether it is compiled for a CPU, where loops around convolutions are slow and batch
        statistics are cheaper apart from convolutions.

    Raises:
      UserError: the configuration describes no network.
    """
    model = config.model.to_dict()
    if model["scan_blocks"] is None:
        model["scan_blocks"] = not on_cpu
    return resnet(
        **model,
        norm=config.norm.to_dict(),
        classes=classes,
        frozen_parts=config.finetune.frozen_parts,
        joint_norm=not on_cpu,
    )
