"""Sinkhorn's normalisation, against its steps written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.models.connections.sinkhorn import sinkhorn


def step_by_step(logits, steps):
    matrix = jnp.exp(logits)
    for _ in range(steps):
        matrix = matrix / matrix.sum(-2, keepdims=True)
        matrix = matrix / matrix.sum(-1, keepdims=True)
    return matrix


def test_sinkhorn_gives_rows_and_columns_of_one(rng):
    logits = rng.normal(size=(20, 4, 4)).astype(np.float32)
    matrices = np.asarray(sinkhorn(logits, 20))
    assert (matrices > 0).all()
    np.testing.assert_allclose(matrices.sum(-1), 1, rtol=1e-6)
    np.testing.assert_allclose(matrices.sum(-2), 1, rtol=1e-4)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_values_and_gradients_are_those_of_the_steps(rng, steps):
    with jax.enable_x64(True):
        logits, weights = rng.normal(size=(2, 3, 5, 4, 4))

        def weighted(normalised):
            return lambda logits: (weights * normalised(logits, steps)).sum()

        expected = step_by_step(logits, steps)
        np.testing.assert_allclose(sinkhorn(jnp.array(logits), steps), expected, rtol=1e-12)
        found, gradient = (jax.grad(weighted(f))(logits) for f in (sinkhorn, step_by_step))
        np.testing.assert_allclose(found, gradient, rtol=1e-10, atol=1e-14)


def test_large_logits_are_normalised_too():
    matrix = np.asarray(sinkhorn(jnp.array([[500.0, 0.0], [0.0, 500.0]]), 20))
    np.testing.assert_allclose(matrix, np.eye(2), atol=1e-6)
