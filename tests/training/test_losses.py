import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.training.losses import cross_entropy

LOGITS = np.array([[1.0, 2.0, -1.0], [0.0, 0.0, 0.0], [50.0, -50.0, 10.0]])
LABELS = np.array([1, 2, 0])
LOG_PROBABILITIES = LOGITS - np.log(np.exp(LOGITS).sum(1, keepdims=True))


def test_cross_entropy_is_minus_the_log_probability_of_the_label():
    found = cross_entropy(jnp.array(LOGITS), jnp.array(LABELS))
    np.testing.assert_allclose(found, -LOG_PROBABILITIES[range(3), LABELS], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found[1], np.log(3), rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.1, 1.0])
def test_smoothing_mixes_in_the_mean_over_all_classes(smoothing):
    found = cross_entropy(jnp.array(LOGITS), jnp.array(LABELS), smoothing)
    hard = -LOG_PROBABILITIES[range(3), LABELS]
    uniform = -LOG_PROBABILITIES.mean(1)
    expected = (1 - smoothing) * hard + smoothing * uniform
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_large_logits_do_not_overflow():
    found = cross_entropy(jnp.array([[1e4, 0.0], [0.0, 1e4]]), jnp.array([0, 0]))
    np.testing.assert_allclose(found, [0, 1e4])
