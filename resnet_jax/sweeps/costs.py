"""What the network of a row costs. Tables and figures show its error beside it."""

from typing import NamedTuple

from resnet_jax.analysis import counts
from resnet_jax.assembly import Assembly, configuration
from resnet_jax.tables import UserError


class Cost(NamedTuple):
    """A network's size, and what one image costs in it.

    Attributes:
      parameters: trained values.
      flops: of the forward pass; a multiply-add is two.
      activation_bytes: outputs of layers, which training keeps for the backward pass.
    """

    parameters: int
    flops: int
    activation_bytes: int


def of_assembly(assembly: Assembly) -> Cost:
    """Counts the network of a run; nothing is computed."""
    layers = counts.layers(assembly.model, assembly.source.image_shape)
    return Cost(
        sum(layer.parameters for layer in layers),
        sum(layer.flops for layer in layers),
        sum(layer.output_bytes for layer in layers),
    )


def of_config(config: str) -> Cost | None:
    """Counts the network of --config=CONFIG; returns None where it can't be built.

    Its runs then fail and say why.
    """
    try:
        return of_assembly(Assembly(configuration.read(config)))
    except UserError:
        return None
