"""ReLU of a sum, with a gradient formulated for the platform that it is lowered for.

The gradient of ReLU needs to know where its input was positive. After a norm, XLA computes the
input again from what the norm's gradient reads anyway. After an addition it would read both
summands again. There, on CUDA, the output is read, which the next convolution keeps. Elsewhere
nothing is rewritten.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array


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
