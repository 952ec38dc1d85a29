"""Channel attention: a factor or a summand for each channel of the branch, in at least float32."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnet_jax.models.layers import Layers
from resnet_jax.tables import Table
from resnet_jax.tables.domains import Positive, PositiveInt, Share

Image = Float[Array, "batch height width channels"]


class ChannelConvolution(nn.Module):
    """A convolution over the channels, with one kernel for all of them, padded with zeros."""

    size: int
    param_dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "batch channels"]) -> Array:
        bound = 1 / math.sqrt(self.size)
        init = nn.initializers.uniform(2 * bound)
        kernel = self.param(
            "kernel", lambda *args: init(*args) - bound, (self.size,), self.param_dtype
        )
        channels, edge = x.shape[-1], self.size // 2
        padded = jnp.pad(x, ((0, 0), (edge, edge)))
        shifted = [padded[:, start : start + channels] for start in range(self.size)]
        return jnp.stack(shifted, axis=-1) @ kernel


def no_attention(x: Image, layers: Layers) -> Image:
    """The branch as it is."""
    return x


def squeeze_excitation(
    x: Image,
    layers: Layers,
    inputs: int,
    reduction: Share = 1 / 16,
    multiple: PositiveInt = 8,
    of_input: bool = False,
    gain: Positive = 1.0,
    as_network: bool = False,
) -> Image:
    """x sigmoid(W2 relu(W1 mean(x))) (Hu et al., arXiv 1709.01507, section 3).

    Args:
      inputs: channels of the block's input.
      reduction: channels between W1 and W2 as a share of x's; 1/4 in ResNet-RS (Bello et al.,
        arXiv 2103.07579).
      multiple: those channels are rounded to a multiple of it, of 8 in most released networks.
      of_input: whether the share is of `inputs`, as in RegNetY (arXiv 2003.13678).
      gain: multiplies the result; 2 in normaliser-free networks (timm's nfnet.py), since
        the sigmoid halves x on average.
      as_network: whether the network's activation stands in place of the ReLU (timm's regnet.py).
    """
    channels, dtype = x.shape[-1], layers.param_dtype
    share = reduction * (inputs if of_input else channels)
    # Of two whole numbers pycls takes the even one, of two multiples SENet's code the larger.
    count = round(share) if multiple == 1 else math.floor(share / multiple + 1 / 2)
    reduced = max(1, count) * multiple
    types = {"dtype": dtype, "param_dtype": dtype}
    y = x.astype(dtype).mean(axis=(1, 2))
    y = nn.Dense(reduced, name="attention_reduce", **types)(y)
    y = layers.activate(y) if as_network else nn.relu(y)
    y = nn.sigmoid(nn.Dense(channels, name="attention_expand", **types)(y))
    return x * (gain * y)[:, None, None].astype(x.dtype)


def efficient(x: Image, layers: Layers, gain: Positive = 1.0) -> Image:
    """x sigmoid(k * mean(x)), k convolving neighbouring channels (ECA-Net, arXiv 1910.03151).

    The size of k follows from the number of channels (section 3.2, equation 12, gamma 2 and b 1).

    Args:
      gain: multiplies the result; see `squeeze_excitation`.
    """
    channels, dtype = x.shape[-1], layers.param_dtype
    size = int((math.log2(channels) + 1) / 2)
    convolve = ChannelConvolution(max(3, size if size % 2 else size + 1), dtype, name="attention")
    y = nn.sigmoid(convolve(x.astype(dtype).mean(axis=(1, 2))))
    return x * (gain * y)[:, None, None].astype(x.dtype)


def global_context(x: Image, layers: Layers, reduction: Share = 1 / 8) -> Image:
    """x + W2 relu(norm(W1 c)), c a mean of x over positions with learned weights.

    The weights are a softmax over positions, and W2 is zero at first. Cao et al., 'GCNet', arXiv
    1904.11492 (timm's global_context.py).

    Args:
      reduction: channels between W1 and W2 as a share of x's.
    """
    channels, dtype = x.shape[-1], layers.param_dtype
    types = {"dtype": dtype, "param_dtype": dtype}
    wide = x.astype(dtype)
    weigh = nn.Dense(
        1, name="attention_positions", kernel_init=nn.initializers.he_normal(), **types
    )
    context = (wide * nn.softmax(weigh(wide), axis=(1, 2))).sum(axis=(1, 2))
    reduced = max(1, math.floor(channels * reduction + 1 / 2))
    y = nn.Dense(reduced, name="attention_reduce", **types)(context)
    y = nn.relu(nn.LayerNorm(1e-6, name="attention_norm", **types)(y))
    zeros = nn.initializers.zeros
    y = nn.Dense(channels, name="attention_expand", kernel_init=zeros, **types)(y)
    return x + y[:, None, None].astype(x.dtype)


class Response(nn.Module):
    """x + g x n + b, n each channel's norm over positions as a multiple of the channels' mean."""

    param_dtype: Any

    @nn.compact
    def __call__(self, x: Image) -> Array:
        shape, zeros = (x.shape[-1],), nn.initializers.zeros
        gain = self.param("scale", zeros, shape, self.param_dtype)
        bias = self.param("bias", zeros, shape, self.param_dtype)
        wide = x.astype(self.param_dtype)
        squares = jnp.square(wide).sum(axis=(1, 2), keepdims=True)
        # At 0, as of a channel that is off everywhere, a square root has no finite gradient.
        norms = jnp.sqrt(jnp.maximum(squares, jnp.finfo(squares.dtype).tiny))
        relative = norms / (norms.mean(axis=-1, keepdims=True) + 1e-6)
        gain, bias = gain.reshape(1, 1, 1, -1), bias.reshape(1, 1, 1, -1)
        return (wide + gain * wide * relative + bias).astype(x.dtype)


def response(x: Image, layers: Layers) -> Image:
    """Global response normalisation (Woo et al., 'ConvNeXt V2', arXiv 2301.00808).

    Gain and bias of each channel start at zero, so that it is the identity at first.
    """
    return Response(layers.param_dtype, name="attention")(x)


@dataclass(frozen=True)
class Attention:
    """A kind of attention.

    Attributes:
      function: (x, layers) -> x, its channels weighted. It is called while its block is built, so
        the layers that it makes belong to that block.
      layers: names of those layers.
      sees_inputs: whether the function also takes the number of channels of the block's input.
    """

    function: Callable[..., Image]
    layers: tuple[str, ...] = ()
    sees_inputs: bool = False

    def apply(self, x: Image, layers: Layers, inputs: int) -> Image:
        """x, its channels weighted.

        Args:
          inputs: channels of the block's input.
        """
        return self.function(x, layers, *([inputs] if self.sees_inputs else []))


ATTENTIONS = Table(
    "model.attention",
    {
        "none": Attention(no_attention),
        "squeeze_excitation": Attention(
            squeeze_excitation, ("attention_reduce", "attention_expand"), sees_inputs=True
        ),
        "efficient": Attention(efficient, layers=("attention",)),
        "global_context": Attention(
            global_context,
            layers=(
                "attention_positions",
                "attention_reduce",
                "attention_norm",
                "attention_expand",
            ),
        ),
        "response": Attention(response, layers=("attention",)),
    },
    Attention,
)
