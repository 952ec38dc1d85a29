"""What a stage changes the shape of its input with, as rows of data."""

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from resnet_jax.models.arrangements import ACTIVATION, NORM, Arrangement, Steps
from resnet_jax.models.layers import Layers
from resnet_jax.models.maxima import maxima
from resnet_jax.models.steps import run
from resnet_jax.tables import Table, UserError
from resnet_jax.tables.domains import PositiveInt

Image = Float[Array, "batch height width channels"]
Windows = tuple[tuple[int, int], ...]
# What the blocks are given, and what completes the stage behind them; None: nothing does.
Opened = tuple[Image, Callable[[Image], Image] | None]


@dataclass(frozen=True)
class Transition:
    """Layers that give a stage's image its shape, before blocks that all keep it.

    Attributes:
      function: (x, features, stride, arrangement, activated, layers) -> what the blocks of so many
        features are given, and what completes the stage. `activated` says whether x has been
        through the arrangement's lead already. None: the stage's first block changes the shape.
      windows: stride -> (kernel, stride) of its layers, one behind another.
      pools: whether a pool stands between its convolution and its norm.
      folds: whether each of its norms comes behind a convolution, so that it can be folded.
    """

    function: Callable[..., Opened] | None
    windows: Callable[[int], Windows] = lambda stride: ()
    pools: bool = False
    folds: bool = True


def convolution_and_pool(
    x: Image,
    features: int,
    stride: int,
    arrangement: Arrangement,
    activated: bool,
    layers: Layers,
) -> Opened:
    """A 3x3 convolution, maxima of windows as wide as the stride, then norm and activation.

    The opening of a stage in Jordan, arXiv 2404.00498, airbench94.py. What stands around the
    convolution is what the arrangement has around a branch's first one; the maxima follow directly
    behind it.
    """
    convolve = layers.conv(features, 3, name="transition_conv")
    steps = _steps(arrangement, activated)
    names = [f"transition_norm{number or ''}" for number in range(steps.count(NORM))]

    def pooled(x: Image) -> Image:
        return maxima(convolve(x), stride, stride) if stride > 1 else convolve(x)

    return run(steps, x, layers, pooled, norms=names), None


def norm_and_convolution(
    x: Image,
    features: int,
    stride: int,
    arrangement: Arrangement,
    activated: bool,
    layers: Layers,
) -> Opened:
    """A norm, then a convolution of windows as wide as the stride; x itself where it has the shape.

    ConvNeXt's layers between stages (Liu et al., arXiv 2201.03545; timm's convnext.py).
    """
    if stride == 1 and x.shape[-1] == features:
        return x, None
    if not layers.norm.absent:
        x = layers.make_norm(name="transition_norm")(x)
    return layers.conv(features, stride, stride, name="transition_conv")(x), None


def cross_stage(
    x: Image,
    features: int,
    stride: int,
    arrangement: Arrangement,
    activated: bool,
    layers: Layers,
    groups: PositiveInt = 1,
    growth: PositiveInt = 1,
) -> Opened:
    """A half of the channels goes around all blocks of the stage: a cross-stage partial network.

    Wang et al., arXiv 1911.11929; the layers are those of timm's cspnet.py. A strided 3x3 keeps the
    channels, and a 1x1 without an activation makes the two halves. Behind the blocks stand a 1x1 of
    their output and one of both halves together.

    Args:
      groups: of the strided convolution.
      growth: of the stage's output, as a multiple of the features of its blocks.

    Raises:
      UserError: the channels can't be split into the groups.
    """
    steps = _steps(arrangement, activated)

    def convolve(
        x: Image, name: str, features: int, steps: Steps, kernel: int = 1, **options: int
    ) -> Image:
        conv = layers.conv(features, kernel, name=f"transition_conv_{name}", **options)
        norms = [f"transition_norm_{name}{n or ''}" for n in range(steps.count(NORM))]
        return run(steps, x, layers, conv, norms)

    if stride > 1:
        if x.shape[-1] % groups:
            raise UserError(
                f"{x.shape[-1]} channels can't be split into the {groups} groups of"
                " model.transition: choose a number that divides the stem's width and that of every"
                " stage's output"
            )
        x = convolve(x, "down", x.shape[-1], steps, 3, stride=stride, feature_group_count=groups)
        steps = _steps(arrangement)
    linear = steps[:-1] if steps[-1] == ACTIVATION else steps
    aside, x = jnp.split(convolve(x, "expand", 2 * features, linear), 2, axis=-1)

    def joined(x: Image) -> Image:
        x = convolve(x, "inside", features, _steps(arrangement))
        both = jnp.concatenate([aside, x], axis=-1)
        return convolve(both, "joined", growth * features, _steps(arrangement))

    return x, joined


def _steps(arrangement: Arrangement, activated: bool = False) -> Steps:
    """What the arrangement has around a branch's first convolution."""
    steps = arrangement.around(1, 2)
    return steps[len(arrangement.lead) :] if activated else steps


TRANSITIONS = Table(
    "model.transition",
    {
        "block": Transition(None),
        "convolution_and_pool": Transition(
            convolution_and_pool, windows=lambda stride: ((3, 1), (stride, stride)), pools=True
        ),
        "norm_and_convolution": Transition(
            norm_and_convolution, windows=lambda stride: ((stride, stride),), folds=False
        ),
        "cross_stage": Transition(
            cross_stage, windows=lambda stride: ((3, stride),) if stride > 1 else ()
        ),
    },
    Transition,
)
