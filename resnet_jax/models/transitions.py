"""What a stage changes the shape of its input with, as rows of data."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Array, Float

from resnet_jax.models.arrangements import NORM, Arrangement
from resnet_jax.models.layers import Layers
from resnet_jax.models.maxima import maxima
from resnet_jax.models.steps import run
from resnet_jax.tables import Table

Image = Float[Array, "batch height width channels"]


@dataclass(frozen=True)
class Transition:
    """Layers that give a stage's image its shape, before blocks that all keep it.

    Attributes:
      function: (x, features, stride, arrangement, activated, layers) -> x; `activated` says
        whether x has been through the arrangement's lead already. None: the stage's first block
        changes the shape.
      windows: (kernel, stride) of its layers where the stride is 2.
      folds: whether its norm comes behind its convolution, so that it can be folded into that.
    """

    function: Callable[..., Image] | None
    windows: tuple[tuple[int, int], ...] = ()
    folds: bool = True


def convolution_and_pool(
    x: Image,
    features: int,
    stride: int,
    arrangement: Arrangement,
    activated: bool,
    layers: Layers,
) -> Image:
    """A 3x3 convolution, maxima of windows as wide as the stride, then norm and activation.

    The opening of a stage in Jordan, arXiv 2404.00498, airbench94.py. What stands around the
    convolution is what the arrangement has around a branch's first one; the maxima follow directly
    behind it.
    """
    convolve = layers.conv(features, 3, name="transition_conv")
    steps = arrangement.around(1, 2)
    steps = steps[len(arrangement.lead) :] if activated else steps
    names = [f"transition_norm{number or ''}" for number in range(steps.count(NORM))]

    def pooled(x: Image) -> Image:
        return maxima(convolve(x), stride, stride) if stride > 1 else convolve(x)

    return run(steps, x, layers, pooled, norms=names)


def norm_and_convolution(
    x: Image,
    features: int,
    stride: int,
    arrangement: Arrangement,
    activated: bool,
    layers: Layers,
) -> Image:
    """A norm, then a convolution of windows as wide as the stride; x itself where it has the shape.

    ConvNeXt's layers between stages (Liu et al., arXiv 2201.03545; timm's convnext.py).
    """
    if stride == 1 and x.shape[-1] == features:
        return x
    if not layers.norm.absent:
        x = layers.make_norm(name="transition_norm")(x)
    return layers.conv(features, stride, stride, name="transition_conv")(x)


TRANSITIONS = Table(
    "model.transition",
    {
        "block": Transition(None),
        "convolution_and_pool": Transition(convolution_and_pool, windows=((3, 1), (2, 2))),
        "norm_and_convolution": Transition(norm_and_convolution, windows=((2, 2),), folds=False),
    },
    Transition,
)
