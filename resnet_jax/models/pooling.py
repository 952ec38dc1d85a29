"""Pooling that carries a stride: in a block, where the branch is anti-aliased, and in the stem."""

from collections.abc import Callable
from dataclasses import dataclass

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from resnet_jax.models.layers import Layers
from resnet_jax.models.maxima import maxima
from resnet_jax.tables import Table

Image = Float[Array, "batch height width channels"]


def average_pool(x: Image, stride: int) -> Image:
    """Means of windows as wide as the stride; an incomplete window at the edge is dropped."""
    return nn.avg_pool(x, window_shape=(stride, stride), strides=(stride, stride))


def blur_pool(x: Image, stride: int) -> Image:
    """Every stride-th position of x blurred by (1 2 1)/4, mirrored at the edges.

    Zhang, 'Making Convolutional Networks Shift-Invariant Again', arXiv 1904.11486, section 3.
    """
    for axis in (1, 2):
        padding = [(0, 0)] * 4
        padding[axis] = (1, 1)
        mirrored = jnp.pad(x, padding, mode="reflect")
        before, here, after = (
            lax.slice_in_dim(mirrored, start, start + x.shape[axis], stride, axis)
            for start in range(3)
        )
        x = (before + 2 * here + after) / 4
    return x


def blur(x: Image, stride: int) -> Image:
    """Every position of x blurred by (1 2 1)/4, over an edge of zeros; the stride is ignored."""
    for axis in (1, 2):
        padding = [(0, 0)] * 4
        padding[axis] = (1, 1)
        before, here, after = (
            lax.slice_in_dim(jnp.pad(x, padding), start, start + x.shape[axis], axis=axis)
            for start in range(3)
        )
        x = (before + 2 * here + after) / 4
    return x


@dataclass(frozen=True)
class Pool:
    """A kind of pooling.

    Attributes:
      function: in a block (x, stride) -> x, in the stem (x, layers) -> x.
      windows: (kernel, stride) of its windows, one after another; in a block the stride is 2.
      learns: whether it has parameters.
      before: whether it stands in a block before the convolutions that carry the stride, that of
        the shortcut among them, and leaves the stride to them; else it carries the branch's stride.
      naming: of all parameters in timm's file of networks with this pool; a row of weights.codes.
        None: the branch decides.
    """

    function: Callable[..., Image]
    windows: tuple[tuple[int, int], ...] = ()
    learns: bool = False
    before: bool = False
    naming: str | None = None


ANTIALIASING = Table(
    "model.antialias",
    {
        "none": None,
        "average": Pool(average_pool, windows=((2, 2),)),
        "blur": Pool(blur_pool, windows=((3, 2),)),
        # FFCV's ImageNet code: train_imagenet.py, BlurPoolConv2d.
        "blur_before": Pool(blur, windows=((3, 1),), before=True),
    },
    Pool,
)


def no_pool(x: Image, layers: Layers) -> Image:
    """The stem's output as it is."""
    return x


def _max_pool(x: Image, stride: int, edge: float = -jnp.inf, before: int = 1) -> Image:
    # A pad of its own, since converters to ONNX drop a pool's padding; XLA folds it into the pool.
    x = jnp.pad(x, ((0, 0), (before, 1), (before, 1), (0, 0)), constant_values=edge)
    return maxima(x, 3, stride)


def max_pool(x: Image, layers: Layers) -> Image:
    """3x3, stride 2."""
    return _max_pool(x, 2)


def max_pool_with_zeros(x: Image, layers: Layers) -> Image:
    """3x3, stride 2, over an edge of zeros, which are larger than a negative x (Big Transfer)."""
    return _max_pool(x, 2, edge=0.0)


def max_pool_from_the_corner(x: Image, layers: Layers) -> Image:
    """3x3, stride 2, with no edge before the first row and column (SENet's Caffe code)."""
    return _max_pool(x, 2, before=0)


def max_blur_pool(x: Image, layers: Layers) -> Image:
    """3x3 maxima at every position, then `blur_pool` (arXiv 1904.11486, section 3.2)."""
    return blur_pool(_max_pool(x, 1), 2)


def average_pool_by_two(x: Image, layers: Layers) -> Image:
    """Means of 2x2."""
    return average_pool(x, 2)


def convolution_pool(x: Image, layers: Layers) -> Image:
    """A 3x3 convolution of stride 2 with norm and activation (ResNet-RS, arXiv 2103.07579)."""
    x = layers.conv(x.shape[-1], 3, 2, name="stem_pool_conv")(x)
    if not layers.norm.absent:
        x = layers.make_norm(name="stem_pool_norm")(x)
    return x if layers.norm.activates else layers.activate(x)


STEM_POOLS = Table(
    "model.stem_pool",
    {
        "none": Pool(no_pool),
        "max": Pool(max_pool, windows=((3, 2),)),
        "max_with_zeros": Pool(max_pool_with_zeros, windows=((3, 2),)),
        "max_from_corner": Pool(max_pool_from_the_corner, windows=((3, 2),), naming="senet"),
        "max_blur": Pool(max_blur_pool, windows=((3, 1), (3, 2))),
        "average": Pool(average_pool_by_two, windows=((2, 2),)),
        "convolution": Pool(convolution_pool, windows=((3, 2),), learns=True),
    },
    Pool,
)
