"""Activations by their formulas, and the gradient of ReLU from its output against JAX's own."""

import math
from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.models.activation import (
    ACTIVATIONS,
    Activation,
    gradient_by_output,
    relu_of_sum,
)
from resnet_jax.models.building import resnet
from resnet_jax.tables import UserError


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


FORMULAS = {
    "relu": lambda x: max(x, 0),
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    # P(X <= x) of a standard normal X.
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + math.exp(-x)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_by_its_formula(float64, name, x):
    row = ACTIVATIONS[name]
    found, slope = jax.vmap(jax.value_and_grad(row.function))(x)
    np.testing.assert_allclose(found, [FORMULAS[name](float(value)) for value in x], atol=1e-12)
    assert row.passes_zero == (slope[list(x).index(0.0)] != 0)
    if row.of_sum is not None:
        np.testing.assert_array_equal(row.of_sum(x), found)


def test_the_approximation_of_gelu_is_another_function(x):
    exact, tanh = (
        ACTIVATIONS.choose({"name": "gelu", "tanh": on}).function(x) for on in (False, True)
    )
    assert 1e-5 < np.abs(exact - tanh).max() < 1e-3


@pytest.mark.parametrize("arrangement", ["original", "full_preactivation", "bn_after_addition"])
def test_no_layer_has_another_activation(drawn, rng, arrangement):
    """Without activations a network is affine: f(a + b) + f(0) = f(a) + f(b)."""
    model = resnet(family="cifar", classes=3, stage_depths=(1, 1), widths=(4, 8), stem_width=4,
                   arrangement=arrangement)  # fmt: skip
    identity = replace(model.layers, activation=Activation(lambda x: x))
    a, b = rng.normal(size=(2, 1, 8, 8, 3)).astype(np.float32)
    x = np.concatenate([a + b, 0 * a, a, b])
    variables = drawn(model, x, train=False)

    def departure(layers):
        of_sum, of_zero, one, other = model.clone(layers=layers).apply(variables, x, train=False)
        return np.abs(of_sum + of_zero - one - other).max() / np.abs(of_sum).max()

    assert departure(identity) < 1e-4 < 1e-2 < departure(model.layers)


def test_norms_with_an_activation_of_their_own_refuse_another():
    with pytest.raises(UserError, match=r"set model\.activation=relu"):
        resnet(family="cifar", classes=3, stage_depths=(1,), widths=(32,), norm="evo",
               arrangement="full_preactivation", activation="gelu")  # fmt: skip
