"""The gradient of ReLU from its output, against JAX's own."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.models.activation import gradient_by_output, relu_of_sum


@pytest.fixture
def x(rng):
    return jnp.array([*rng.normal(size=20), 0.0, -0.0])


def test_gradient(float64, rng, x):
    gradient = rng.normal(size=x.shape)
    value, backward = jax.vjp(nn.relu, x)
    np.testing.assert_array_equal(gradient_by_output(value, gradient), backward(gradient)[0])
    own_value, own_backward = jax.vjp(relu_of_sum, x)
    np.testing.assert_array_equal(own_value, value)
    np.testing.assert_array_equal(own_backward(gradient)[0], backward(gradient)[0])


@pytest.mark.parametrize(("platform", "barriers"), [("cuda", 1), ("cpu", 0), ("tpu", 0)])
def test_the_output_is_asked_on_cuda_alone(x, platform, barriers):
    gradient = jax.jit(jax.grad(lambda x: relu_of_sum(x).sum()))
    program = gradient.trace(x).lower(lowering_platforms=(platform,)).as_text()
    assert program.count("optimization_barrier") == barriers
