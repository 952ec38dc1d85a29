"""Normalisation layers as rows of data."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnet_jax.models.activating_norms import evo_norm, filter_response_norm
from resnet_jax.models.batch_norm import BatchNorm
from resnet_jax.tables import Table, UserError
from resnet_jax.tables.domains import BelowOne, Positive, PositiveInt

Dtype = Any


def batch_norm(
    group_size: PositiveInt | None = None,
    momentum: BelowOne = 0.9,
    epsilon: Positive = 1e-5,
    scale: bool = True,
    frozen: bool = False,
):
    """Batch normalisation.

    Args:
      group_size: examples that share statistics; None is the whole batch.
      momentum: weight of the old running average.
      epsilon: added to the variance.
      scale: whether it learns a factor of each channel; fast recipes for CIFAR-10 leave it out
        (Jordan, arXiv 2404.00498, airbench94.py).
      frozen: statistics, scale and bias stay as they are, as where a detector is trained with few
        images in a batch. An optimizer of one's own must leave scale and bias out of its weight
        decay; `models.parts.is_norm` knows them.
    """
    return partial(
        BatchNorm,
        group_size=group_size,
        momentum=momentum,
        epsilon=epsilon,
        scaled=scale,
        frozen=frozen,
    )


def group_norm(
    channel_groups: PositiveInt = 32,
    group_width: PositiveInt | None = None,
    epsilon: Positive = 1e-6,
):
    """Group normalisation (Wu & He, arXiv 1803.08494).

    Each example is normalised by its own statistics, so `train` has no effect.

    Args:
      channel_groups: with fewer channels than groups, each channel is a group.
      group_width: channels of a group, in place of `channel_groups`; with fewer channels there is
        one group.
      epsilon: added to the variance.
    """

    def layer(*, train: bool, name: str, dtype: Dtype, param_dtype: Dtype, **options: Any):
        def normalise(x: Array) -> Array:
            channels = x.shape[-1]
            parts = min(group_width or channel_groups, channels)
            if channels % parts:
                division = f"groups of {parts}" if group_width else f"{parts} groups"
                raise UserError(
                    f"{channels} channels can't be split into {division}: choose a"
                    f" norm.{'group_width' if group_width else 'channel_groups'} that divides the"
                    " width of every stage"
                )
            groups = channels // parts if group_width else parts
            norm = nn.GroupNorm(groups, epsilon=epsilon, name=name, dtype=dtype,
                                param_dtype=param_dtype, **options)  # fmt: skip
            return norm(x)

        return normalise

    return layer


def layer_norm(epsilon: Positive = 1e-6):
    """Layer normalisation of the channels of each position (Ba et al., arXiv 1607.06450).

    ConvNeXt's norm (Liu et al., arXiv 2201.03545); `train` has no effect.
    """

    def layer(*, train: bool, **options: Any) -> nn.LayerNorm:
        return nn.LayerNorm(epsilon, use_fast_variance=False, **options)

    return layer


class Affine(nn.Module):
    """a x + b, with a and b learned for each channel."""

    train: bool
    dtype: Dtype = jnp.float32
    param_dtype: Dtype = jnp.float32
    scale_init: nn.initializers.Initializer = nn.initializers.ones

    @nn.compact
    def __call__(self, x: Float[Array, "batch *space channels"]) -> Array:
        shape = (x.shape[-1],)
        scale = self.param("scale", self.scale_init, shape, self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros, shape, self.param_dtype)
        spread = (1,) * (x.ndim - 1)
        y = x * scale.reshape(*spread, -1) + bias.reshape(*spread, -1)
        return y.astype(self.dtype)


def affine():
    """a x + b for each channel, without statistics.

    Gain and bias of the convolutions of normaliser-free networks (Brock et al., arXiv 2101.08692
    and 2102.06171), whose kernels are standardised: model.weight_epsilon and model.weight_gain.
    """
    return Affine


def no_norm() -> None:
    """No normalisation: norms fall out of every arrangement, and convolutions get a bias."""


def fixup() -> None:
    """Fixup in place of norms (Zhang et al., arXiv 1901.09321, section 3).

    A scalar bias stands before every convolution, activation and the head; a learned factor,
    1 at first, multiplies each branch. The last kernel of a branch and the head start at zero; the
    branch's other initial kernels are divided by L^(1/(2m-2)) for L branches of m convolutions.
    """


@dataclass(frozen=True)
class Norm:
    """A kind of normalisation.

    Attributes:
      function: takes the options and returns a maker of layers; the maker takes (train, dtype,
        param_dtype, name, scale_init) and returns a function or module of x.
      activates: whether it holds its own activation, so that no other follows it.
      running: whether it keeps running averages under `batch_stats`; it then has an option
        `momentum`, the weight of the old average.
      folds: whether it is scale (x - mean) / sqrt(var + epsilon) + bias in evaluation, so that it
        can be folded into the convolution before it; it then has an option `epsilon`.
      rectifies: whether its layer takes `rectify`, and then computes the ReLU behind it as well.
      absent: whether it makes no layer.
      fixup: whether the network is built as Fixup has it.
    """

    function: Callable[..., Any]
    activates: bool = False
    running: bool = False
    folds: bool = False
    rectifies: bool = False
    absent: bool = False
    fixup: bool = False


NORMS = Table(
    "norm",
    {
        "batch": Norm(batch_norm, running=True, folds=True, rectifies=True),
        "group": Norm(group_norm),
        "layer": Norm(layer_norm),
        "evo": Norm(evo_norm, activates=True),
        "filter_response": Norm(filter_response_norm, activates=True),
        "affine": Norm(affine),
        "none": Norm(no_norm, absent=True),
        "fixup": Norm(fixup, absent=True, fixup=True),
    },
    Norm,
)
