"""The network that a configuration describes, and its variables from a file of weights."""

from pathlib import Path

from ml_collections import ConfigDict

from resnet_jax.models.building import resnet
from resnet_jax.models.resnet import ResNet
from resnet_jax.models.scan import stack_blocks
from resnet_jax.weights import read_tensors, to_variables


def network(config: ConfigDict, *, classes: int, side_by_side: bool = False) -> ResNet:
    """The network of `config.model` and `config.norm`.

    Args:
      side_by_side: see models.layers.Layers.

    Raises:
      UserError: the configuration describes no network.
    """
    return resnet(
        **config.model.to_dict(),
        norm=config.norm.to_dict(),
        classes=classes,
        frozen_parts=config.finetune.frozen_parts,
        side_by_side=side_by_side,
    )


def weights_of(path: str | Path, model: ResNet, *, channels: int, replace_head: bool) -> dict:
    """Variables from a file of weights, in the model's layout.

    Args:
      channels: of the images that the model sees.
      replace_head: leave the head out where it has another number of classes.

    Raises:
      UserError: the file can't be read, or does not fit the model.
    """
    tensors = read_tensors(path)
    fitted = to_variables(model, tensors, channels=channels, replace_head=replace_head)
    return stack_blocks(fitted.variables) if model.scan_blocks else fitted.variables
