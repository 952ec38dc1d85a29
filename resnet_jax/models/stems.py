"""The stem, the layers before the first stage, as rows of data."""

import math
from typing import Any, NamedTuple

import flax.linen as nn
from jax import lax
from jaxtyping import Array, Float

from resnet_jax.models.arrangements import ACTIVATION, CONVOLUTION, NORM, Arrangement
from resnet_jax.models.layers import Layers
from resnet_jax.models.steps import run
from resnet_jax.tables import Table, UserError

Image = Float[Array, "batch height width channels"]


class StemConvolution(NamedTuple):
    """A convolution of the stem.

    Attributes:
      kernel: rows and columns. Behind an even one of stride 1 an image has one row and column less.
      share: of the stem's width: its features.
      bare: whether neither norm nor activation follows.
      whitens: whether its kernel is that of models.whitening, which never learns. It has a bias
        that learns, and no norm.
    """

    kernel: int
    stride: int = 1
    share: float = 1.0
    bare: bool = False
    whitens: bool = False

    def features(self, width: int) -> int:
        """Features of its output in a stem of this width.

        Raises:
          UserError: there would be none.
        """
        features = int(width * self.share)
        if features < 1:
            raise UserError(
                f"a convolution of the stem has {features} features: set model.stem_width to at"
                f" least {math.ceil(1 / self.share)}"
            )
        return features


Stem = tuple[StemConvolution, ...]

# Strided: RegNet's (arXiv 2003.13678). Patches: ConvNeXt's (arXiv 2201.03545). Quadruple: NFNet's
# (timm's nfnet.py); its first two linear, and the strided tiered one: timm's byobnet.py.
# Deep: three 3x3 in place of the 7x7 ('Bag of Tricks', He et al., arXiv 1812.01187, Figure 2b);
# tiered: the first of them narrower (the 't' networks of timm's resnet.py).
STEMS = Table(
    "model.stem",
    {
        "cifar": (StemConvolution(3),),
        "imagenet": (StemConvolution(7, stride=2),),
        "strided": (StemConvolution(3, stride=2),),
        "patches": (StemConvolution(4, stride=4),),
        "deep": (
            StemConvolution(3, stride=2, share=1 / 2),
            StemConvolution(3, share=1 / 2),
            StemConvolution(3),
        ),
        "quadruple": (
            StemConvolution(3, stride=2, share=1 / 8),
            StemConvolution(3, share=1 / 4),
            StemConvolution(3, share=1 / 2),
            StemConvolution(3, stride=2),
        ),
        "quadruple_linear": (
            StemConvolution(3, stride=2, share=1 / 8, bare=True),
            StemConvolution(3, share=1 / 4, bare=True),
            StemConvolution(3, share=1 / 2),
            StemConvolution(3, stride=2),
        ),
        "tiered": (
            StemConvolution(3, stride=2, share=3 / 8),
            StemConvolution(3, share=1 / 2),
            StemConvolution(3),
        ),
        "tiered_strided": (
            StemConvolution(3, stride=2, share=3 / 8),
            StemConvolution(3, share=1 / 2),
            StemConvolution(3, stride=2),
        ),
        # Jordan, arXiv 2404.00498, airbench94.py; see models.whitening.
        "whitening": (StemConvolution(2, whitens=True),),
    },
    tuple,
)


def apply_stem(stem: Stem, x: Image, width: int, arrangement: Arrangement, layers: Layers) -> Image:
    """Applies the stem to x; the arrangement says what follows its last convolution.

    Args:
      arrangement: of the network, after `without_norm` and `with_biases` where the norm asks for
        them.
    """
    between = Arrangement(each=(CONVOLUTION, NORM, ACTIVATION), last=(CONVOLUTION,))
    if layers.norm.absent:
        between = between.without_norm()
    if layers.norm.fixup:
        between = between.with_biases()
    for number, spec in enumerate(stem, start=1):
        last = number == len(stem)
        suffix = "" if last else str(number)
        conv = layers.conv(
            spec.features(width),
            spec.kernel,
            spec.stride,
            name=f"stem_conv{suffix}",
            **(_whitening(layers) if spec.whitens else {}),
        )
        steps = arrangement.stem_steps if last else between.each
        if spec.bare:
            steps = (CONVOLUTION,)
        if spec.whitens:
            steps = tuple(step for step in steps if step != NORM)
        x = run(steps, x, layers, conv, norms=[f"stem_norm{suffix}"])
    return x


def _whitening(layers: Layers) -> dict[str, Any]:
    """Options of a convolution whose kernel gets no gradient and whose bias starts at zero."""

    def convolve(inputs: Array, kernel: Array, *geometry: Any, **options: Any) -> Array:
        return layers.convolve(inputs, lax.stop_gradient(kernel), *geometry, **options)

    return {"conv_general_dilated": convolve, "bias_init": nn.initializers.zeros}


def whitening_size(stem: Stem) -> int | None:
    """The kernel size of a stem that whitens; None of one that does not."""
    return next((spec.kernel for spec in stem if spec.whitens), None)
