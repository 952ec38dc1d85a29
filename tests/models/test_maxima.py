"""The gradient of maxima without a scatter, against JAX's own, in float64."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.models.maxima import gradient_of_maxima, maxima
from resnet_jax.models.pooling import STEM_POOLS

WINDOWS = [(3, 2), (3, 1), (2, 2), (3, 3), (2, 3)]


@pytest.mark.parametrize("size", [(9, 8), (3, 4)], ids=str)
@pytest.mark.parametrize(("window", "stride"), WINDOWS)
def test_gradient(float64, rng, window, stride, size):
    """Of few different values, so that many windows have several largest elements."""
    x = jnp.asarray(rng.integers(0, 3, (2, *size, 3)), jnp.float64)
    sides, strides = (window, window), (stride, stride)
    value, backward = jax.vjp(lambda x: nn.max_pool(x, sides, strides=strides), x)
    gradient = rng.normal(size=value.shape)
    (expected,) = backward(gradient)
    found = gradient_of_maxima(x, gradient, window, stride)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
    same, backward = jax.vjp(lambda x: maxima(x, window, stride), x)
    np.testing.assert_array_equal(same, value)
    np.testing.assert_allclose(*backward(gradient), expected, rtol=0, atol=1e-14)


def test_jvp_of_the_gradient(float64, rng):
    """The gradient of a sum of squares changes as 2 x in the places of the maxima."""
    x, direction = rng.normal(size=(2, 2, 5, 5, 3))
    gradient = jax.grad(lambda x: (maxima(x, 3, 2) ** 2).sum())
    _, found = jax.jvp(gradient, (x,), (direction,))
    small = 1e-6
    expected = (gradient(x + small * direction) - gradient(x - small * direction)) / (2 * small)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def lowered(platform, pool):
    x = jnp.ones((1, 8, 8, 2))
    f = jax.jit(jax.grad(lambda x: STEM_POOLS[pool].function(x, None).sum()))
    return f.trace(x).lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize("platform", ["cpu", "cuda"])
@pytest.mark.parametrize("pool", ["max", "max_with_zeros", "max_blur", "average"])
def test_no_gradient_scatters_on_a_cpu_or_on_cuda(platform, pool):
    assert "scatter" not in lowered(platform, pool)


def test_a_tpu_keeps_its_instruction():
    assert lowered("tpu", "max").count("select_and_scatter") == 1
