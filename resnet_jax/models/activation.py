"""Activations as rows of data; ReLU of a sum has a gradient formulated for its platform.

The gradient of ReLU needs to know where its input was positive. After a norm, XLA computes the
input again from what the norm's gradient reads anyway. After an addition it would read both
summands again. There, on CUDA, the output is read, which the next convolution keeps. Elsewhere
nothing is rewritten.
"""

from collections.abc import Callable
from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from resnet_jax.tables import Table
from resnet_jax.tables.domains import NonNegative


@jax.custom_vjp
def relu_of_sum(x: Array) -> Array:
    """max(x, 0)."""
    # Looked up when it is called, since the converter to ONNX takes its place.
    return nn.relu(x)


def _forward(x: Array) -> tuple[Array, tuple[Array, Array]]:
    y = nn.relu(x)
    return y, (x, y)


def _backward(saved: tuple[Array, Array], gradient: Array) -> tuple[Array]:
    def by_input(x: Array, y: Array, gradient: Array) -> Array:
        return jnp.where(x > 0, gradient, 0)

    def by_output(x: Array, y: Array, gradient: Array) -> Array:
        return gradient_by_output(y, gradient)

    return (lax.platform_dependent(*saved, gradient, cuda=by_output, default=by_input),)


relu_of_sum.defvjp(_forward, _backward)


def gradient_by_output(y: Array, gradient: Array) -> Array:
    """The gradient of ReLU's input, from its output y.

    Without the barrier XLA would see that y > 0 wherever the input is, and compute the input again.
    """
    return jnp.where(lax.optimization_barrier(y) > 0, gradient, 0)


def relu(x: Array) -> Array:
    """max(x, 0) (Nair & Hinton, ICML 2010)."""
    return nn.relu(x)


def leaky_relu(x: Array, slope: NonNegative = 0.01) -> Array:
    """x where x is positive, elsewhere slope x (Maas et al., ICML workshop 2013)."""
    return nn.leaky_relu(x, slope)


def gelu(x: Array, tanh: bool = False) -> Array:
    """x P(X <= x) for a standard normal X (Hendrycks & Gimpel, arXiv 1606.08415).

    Args:
      tanh: the paper's approximation of it, in place of the error function.
    """
    return nn.gelu(x, approximate=tanh)


def silu(x: Array) -> Array:
    """x sigmoid(x) (Elfwing et al., arXiv 1702.03118; Ramachandran et al., arXiv 1710.05941)."""
    return nn.silu(x)


@dataclass(frozen=True)
class Activation:
    """A kind of activation.

    Attributes:
      function: x -> y.
      of_sum: computes the same where x is a sum of arrays; None: `function` does.
      passes_zero: whether its gradient at 0 is not 0.
    """

    function: Callable[..., Array]
    of_sum: Callable[[Array], Array] | None = None
    passes_zero: bool = True


ACTIVATIONS = Table(
    "model.activation",
    {
        "relu": Activation(relu, relu_of_sum, passes_zero=False),
        "leaky_relu": Activation(leaky_relu),
        "gelu": Activation(gelu),
        "silu": Activation(silu),
    },
    Activation,
)
