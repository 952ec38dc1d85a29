"""Connections that weigh branches at random: their means, their gradients and their evaluation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from models.connections.alone import KEY, alone

COUNT = 2_000
X = np.zeros((COUNT, 1, 1, 1), np.float32)


def both(one, other):
    return lambda x, copy, stride: jnp.full(x.shape, (one, other)[copy - 1], jnp.float32)


def shaken(name, branch, key=KEY, **options):
    module = alone(name, 1, train=True, **options)
    return module.apply({}, X, branch, rngs={"dropout": key})


def test_shake_shake_shares_between_two_branches_in_training():
    # y = a 1 + (1 - a) 3 for a uniform a.
    y = np.ravel(shaken("shake_shake", both(1.0, 3.0)))
    assert 1 <= y.min() < 1.01 and 2.99 < y.max() <= 3
    assert y.mean() == pytest.approx(2, abs=4 * np.sqrt(4 / 12 / COUNT))


@pytest.mark.parametrize("level", ["image", "batch"])
def test_shake_shake_draws_for_each_image_or_for_the_batch(level):
    y = shaken("shake_shake", both(1.0, 3.0), level=level)
    assert len(np.unique(y)) == 1 if level == "batch" else len(np.unique(y)) > COUNT / 2


def test_shake_shake_is_the_mean_in_evaluation():
    y = alone("shake_shake", 1).apply({}, X[:1], both(1.0, 3.0))
    np.testing.assert_array_equal(y, 2)


def slopes(backward):
    """a of the forward pass, and the gradients by both branches."""

    def outputs(weights):
        branch = lambda x, copy, stride: jnp.broadcast_to(weights[copy - 1], x.shape)  # noqa: E731
        return shaken("shake_shake", branch, backward=backward)

    weights = jnp.stack([jnp.ones_like(X), jnp.zeros_like(X)])
    return outputs(weights), jax.grad(lambda weights: outputs(weights).sum())(weights)


@pytest.mark.parametrize("backward", ["shake", "even", "keep"])
def test_the_gradients_of_shake_shake_are_shared_anew(backward):
    forward, (one, other) = slopes(backward)
    np.testing.assert_allclose(one + other, 1, rtol=1e-5)
    if backward == "even":
        np.testing.assert_array_equal(one, 0.5)
    elif backward == "keep":
        np.testing.assert_allclose(one, forward, rtol=1e-5, atol=1e-6)
    else:
        correlation = np.corrcoef(np.ravel(one), np.ravel(forward))[0, 1]
        assert abs(correlation) < 4 / np.sqrt(COUNT)
        assert np.std(one) == pytest.approx(np.sqrt(1 / 12), rel=0.1)


def test_shake_drop_keeps_a_batch_or_shakes_its_images():
    options = {"number": 2, "blocks": 4, "last_survival": 0.4}  # p = 1 - 2 / 4 * 0.6
    kept = 0
    for key in jax.random.split(KEY, 60):
        y = np.ravel(shaken("shake_drop", both(1.0, 0.0), key, **options))
        if (y == 1).all():
            kept += 1
        else:
            assert y.min() < -0.9 and y.max() > 0.9
            assert abs(y.mean()) < 4 * np.sqrt(4 / 12 / COUNT)
    assert abs(kept - 60 * 0.7) < 4 * np.sqrt(60 * 0.7 * 0.3)
    y = alone("shake_drop", 1, **options).apply({}, X[:1], both(1.0, 0.0))
    np.testing.assert_allclose(y, 0.7, rtol=1e-6)


def test_the_gradient_of_shake_drop_is_shaken_anew():
    def outputs(weight):
        branch = lambda x, copy, stride: weight  # noqa: E731
        return shaken("shake_drop", branch, number=1, blocks=1, last_survival=0.0)

    ones = jnp.ones(X.shape)
    forward = np.ravel(outputs(ones))
    backward = np.ravel(jax.grad(lambda weight: outputs(weight).sum())(ones))
    assert 0 <= backward.min() < 0.01 and 0.99 < backward.max() <= 1
    assert abs(np.corrcoef(forward, backward)[0, 1]) < 4 / np.sqrt(COUNT)
