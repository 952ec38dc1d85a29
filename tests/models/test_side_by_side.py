"""Convolutions of several networks at once against each network's own, in float64."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.models.convolution import lax_convolution
from resnet_jax.models.side_by_side import convolution_side_by_side

pytestmark = pytest.mark.usefixtures("float64")
# members, channels, features, kernel, stride, image size
SHAPES = [(4, 3, 16, 3, 1, 5), (6, 32, 64, 3, 2, 6), (3, 160, 8, 1, 2, 4)]


def drawn(rng, members, channels, features, kernel, size):
    images = rng.normal(size=(members, 2, size, size, channels))
    return images, rng.normal(size=(members, kernel, kernel, channels, features))


def value_and_gradients(convolve, kernel, stride):
    padding = ((kernel // 2, kernel // 2),) * 2

    def loss(x, w):
        return (jnp.sin(convolve(x, w, (stride, stride), padding)) ** 2).sum()

    return jax.value_and_grad(loss, argnums=(0, 1))


@pytest.mark.parametrize(("members", "channels", "features", "kernel", "stride", "size"), SHAPES)
def test_each_network_gets_its_own_convolution(
    rng, members, channels, features, kernel, stride, size
):
    x, w = drawn(rng, members, channels, features, kernel, size)
    together = jax.jit(jax.vmap(value_and_gradients(convolution_side_by_side, kernel, stride)))
    alone = jax.jit(value_and_gradients(lax_convolution, kernel, stride))
    found = together(x, w)
    for member in range(members):
        expected = alone(x[member], w[member])
        mine = jax.tree.map(lambda leaf, m=member: leaf[m], found)
        for ours, theirs in zip(jax.tree.leaves(mine), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("where", ["images", "kernel"])
def test_a_network_that_diverges_leaves_the_others_alone(rng, where):
    x, w = drawn(rng, 4, 8, 16, 3, 5)
    together = jax.jit(jax.vmap(value_and_gradients(convolution_side_by_side, 3, 1)))
    healthy = together(x, w)
    (x if where == "images" else w)[1, 0, 0, 0, 0] = np.inf
    found = together(x, w)
    others = np.array([0, 2, 3])
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(healthy), strict=True):
        assert np.isnan(ours[1]).any()
        np.testing.assert_array_equal(ours[others], theirs[others])


def test_groups_are_as_wide_as_a_gpu_multiplies_well():
    """Eight networks of 16 channels share one group of 128, two of 64 channels one each."""

    def shapes(channels):
        convolve = partial(convolution_side_by_side, strides=(1, 1), padding=((1, 1), (1, 1)))
        x = jax.ShapeDtypeStruct((8, 2, 4, 4, channels), jnp.bfloat16)
        w = jax.ShapeDtypeStruct((8, 3, 3, channels, channels), jnp.float32)
        return [
            (equation.invars[1].aval.shape, equation.params["feature_group_count"])
            for equation in _convolutions(jax.make_jaxpr(jax.vmap(convolve))(x, w).jaxpr)
        ]

    assert shapes(16) == [((3, 3, 128, 128), 1)]
    assert shapes(64) == [((3, 3, 128, 512), 4)]
    assert shapes(256) == [((3, 3, 256, 2048), 8)]


def _convolutions(jaxpr):
    for equation in jaxpr.eqns:
        if equation.primitive.name == "conv_general_dilated":
            yield equation
        for inner in jax.tree.leaves(
            equation.params, is_leaf=lambda leaf: isinstance(leaf, jax.extend.core.ClosedJaxpr)
        ):
            if isinstance(inner, jax.extend.core.ClosedJaxpr):
                yield from _convolutions(inner.jaxpr)
