"""The layers that a network is made of, chosen once and handed down to its blocks."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array

from resnet_jax.models.activation import ACTIVATIONS, Activation
from resnet_jax.models.choosing import chosen, derived
from resnet_jax.models.convolution import Convolve, convolution
from resnet_jax.models.kernels import KERNEL_INITS
from resnet_jax.models.norms import NORMS, Norm
from resnet_jax.models.side_by_side import convolution_side_by_side
from resnet_jax.models.standardisation import standardised
from resnet_jax.tables import Table, UserError

DTYPES = Table(
    "model.dtype",
    {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float64": jnp.float64},
)


def scaled_init(init: nn.initializers.Initializer, scale: float) -> nn.initializers.Initializer:
    """The same initial values, multiplied."""
    if scale == 1:
        return init
    return lambda *arguments: scale * init(*arguments)


class Gain(nn.Module):
    """A learned factor, one number for the whole input.

    With `initial` 0 it is SkipInit (De & Smith, arXiv 2002.10444, section 4) and ReZero
    (Bachlechner et al., arXiv 2003.04887, equation 1).
    """

    initial: float
    param_dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        gain = self.param("gain", nn.initializers.constant(self.initial), (), self.param_dtype)
        return gain.astype(x.dtype) * x


class Bias(nn.Module):
    """One learned number added to the whole input (Fixup: Zhang et al., arXiv 1901.09321)."""

    param_dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        bias = self.param("bias", nn.initializers.zeros, (), self.param_dtype)
        return x + bias.astype(x.dtype)


class Numbers(nn.Module):
    """Learned numbers, called without an input."""

    shape: tuple[int, ...]
    initial: nn.initializers.Initializer
    param_dtype: Any = jnp.float32

    @nn.compact
    def __call__(self) -> Array:
        return self.param("numbers", self.initial, self.shape, self.param_dtype)


class Uniform(nn.Module):
    """Random numbers in [low, 1), drawn as dropout draws."""

    @nn.compact
    def __call__(self, shape: tuple[int, ...], low: float = 0.0) -> Array:
        return jax.random.uniform(self.make_rng("dropout"), shape, minval=low)


@dataclass(frozen=True)
class Layers:
    """How a network makes a convolution, a norm, an activation and a dropout.

    Attributes:
      norm: a row of NORMS. Where it makes no layer, convolutions have a bias, except in Fixup.
      activation: a row of ACTIVATIONS.
      kernel_init: of convolutions; a row of KERNEL_INITS.
      conv_bias: whether a convolution has a bias where a norm stands in the network too.
      weight_epsilon: standardise the kernels of convolutions, with this added to their variance.
      weight_gain: scales the standardised kernels to a deviation of this over the root of their
        inputs; None: the deviation is 1.
      dtype: of activations; parameters are float32, or float64 where this is.
      side_by_side: whether several networks that `jax.vmap` computes together share convolutions
        (see models.side_by_side), for a GPU; one network computes the same with it and without.
      projection_norm: whether a projection shortcut ends in a norm; the arrangement decides.
      train: whether batch statistics, dropout and stochastic depth are on; set by each call of
        the network.
    """

    norm: Norm = chosen(NORMS, "batch")
    activation: Activation = chosen(ACTIVATIONS, "relu")
    kernel_init: nn.initializers.Initializer = chosen(KERNEL_INITS, "he_fan_out")
    conv_bias: bool = False
    weight_epsilon: float | None = None
    weight_gain: float | None = None
    dtype: Any = chosen(DTYPES, "float32")
    side_by_side: bool = False
    projection_norm: bool = derived(True)
    train: bool = derived(False)

    def __post_init__(self) -> None:
        if self.weight_epsilon is not None and self.weight_epsilon <= 0:
            raise UserError(
                f"model.weight_epsilon={self.weight_epsilon} must be positive, or None for none"
            )
        if self.weight_gain is not None and self.weight_epsilon is None:
            raise UserError(
                "model.weight_gain scales standardised kernels, and these are plain: set"
                " model.weight_epsilon=1e-5, or leave it out"
            )

    @property
    def param_dtype(self) -> Any:
        return jnp.promote_types(self.dtype, jnp.float32)

    def conv(
        self, features: int, kernel: int, stride: int = 1, dilation: int = 1, **options: Any
    ) -> nn.Conv:
        """A convolution that pads dilation (k - 1) // 2 on both sides, as torchvision does.

        One whose windows lie side by side, as wide as the stride, pads nothing. It has a bias where
        the network has no norms (Fixup aside), with `conv_bias`, or where `bias_init` is given.
        """
        edge = 0 if kernel == stride else dilation * ((kernel - 1) // 2)
        without_norm = self.norm.absent and not self.norm.fixup
        return nn.Conv(
            features,
            (kernel, kernel),
            (stride, stride),
            padding=[(edge, edge)] * 2,
            kernel_dilation=(dilation, dilation),
            use_bias=without_norm or self.conv_bias or "bias_init" in options,
            dtype=self.dtype,
            param_dtype=self.param_dtype,
            promote_dtype=_promote_inputs,
            **{
                "kernel_init": self.kernel_init,
                "conv_general_dilated": self.convolve,
                **options,
            },
        )

    @property
    def convolve(self) -> Convolve:
        """What convolutions call for (inputs, kernel, strides, padding)."""
        convolve = convolution_side_by_side if self.side_by_side else convolution
        if self.weight_epsilon is None:
            return convolve
        return partial(
            standardised, epsilon=self.weight_epsilon, gain=self.weight_gain, convolve=convolve
        )

    @property
    def rectifies(self) -> bool:
        """Whether norms compute the ReLU behind them as well, in training."""
        rectifies = self.activation is ACTIVATIONS["relu"] and self.norm.rectifies
        return rectifies and self.train

    def make_norm(self, **options: Any) -> Any:
        """A norm; never called where the norm is absent, since no arrangement holds one then."""
        return self.norm.function()(
            train=self.train, dtype=self.dtype, param_dtype=self.param_dtype, **options
        )

    def gain(self, initial: float, **options: Any) -> Gain:
        return Gain(initial, param_dtype=self.param_dtype, **options)

    def bias(self, **options: Any) -> Bias:
        return Bias(param_dtype=self.param_dtype, **options)

    def activate(self, x: Array, *, of_sum: bool = False) -> Array:
        """The activation of x.

        Args:
          of_sum: whether x is a sum of arrays, as shortcut and branch; this decides how the
            gradient is computed, not what it is.
        """
        function = self.activation.of_sum if of_sum else None
        return (function or self.activation.function)(x)

    def numbers(self, initial: Any, shape: tuple[int, ...] = (), **options: Any) -> Array:
        """Learned numbers of this shape, which start as `initial`: a number or an initializer."""
        if not callable(initial):
            initial = nn.initializers.constant(initial)
        return Numbers(shape, initial, self.param_dtype, **options)()

    def uniform(self, **options: Any) -> Uniform:
        return Uniform(**options)

    def dense(self, features: int, **options: Any) -> nn.Dense:
        """A linear map of the channels, computed in at least float32."""
        return nn.Dense(features, dtype=self.param_dtype, param_dtype=self.param_dtype, **options)

    def dropout(self, rate: float, **options: Any) -> nn.Dropout:
        return nn.Dropout(rate, deterministic=not self.train, **options)


def _promote_inputs(
    *arrays: Array | None, dtype: Any = None, inexact: bool = True
) -> list[Array | None]:
    """Inputs, kernel and bias in the types that they compute in; the kernel is cast later."""
    inputs, kernel, bias = arrays
    assert inputs is not None
    return [inputs.astype(dtype), kernel, None if bias is None else bias.astype(dtype)]
