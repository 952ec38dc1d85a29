from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from golden.tensors import CLASSES, draw
from jax.nn import one_hot

from resnet_jax.training.losses import binary_cross_entropy, cross_entropy, smoothed

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "mixing.npz")
AGAIN = "tests/golden/write_mixing.py writes the numbers of PyTorch and timm again"
LOGITS = np.array([[1.0, 2.0, -1.0], [0.0, 0.0, 0.0], [50.0, -50.0, 10.0]])
LABELS = np.array([1, 2, 0])
TARGETS = one_hot(LABELS, 3)
LOG_PROBABILITIES = LOGITS - np.log(np.exp(LOGITS).sum(1, keepdims=True))


def test_cross_entropy_is_minus_the_log_probability_of_the_label():
    found = cross_entropy(jnp.array(LOGITS), TARGETS)
    np.testing.assert_allclose(found, -LOG_PROBABILITIES[range(3), LABELS], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found[1], np.log(3), rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.1, 1.0])
def test_smoothing_mixes_in_the_mean_over_all_classes(smoothing):
    found = cross_entropy(jnp.array(LOGITS), smoothed(TARGETS, smoothing))
    hard = -LOG_PROBABILITIES[range(3), LABELS]
    uniform = -LOG_PROBABILITIES.mean(1)
    expected = (1 - smoothing) * hard + smoothing * uniform
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("loss", [cross_entropy, binary_cross_entropy])
def test_large_logits_do_not_overflow(loss):
    found = loss(jnp.array([[1e4, -1e4], [-1e4, 1e4]]), one_hot(jnp.array([0, 0]), 2))
    np.testing.assert_allclose(found, [0, 2e4 if loss is cross_entropy else 1e4])


def test_binary_cross_entropy_is_one_sigmoid_a_class():
    targets = np.array([[0.0, 0.7, 0.3], [0.0, 0.0, 1.0], [0.5, 0.5, 0.0]])
    odds = 1 / (1 + np.exp(-LOGITS))
    floor = 1e-300
    expected = -(
        targets * np.log(odds + floor) + (1 - targets) * (-LOGITS + np.log(odds + floor))
    ).mean(1)
    found = binary_cross_entropy(jnp.array(LOGITS), jnp.array(targets))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_class_above_the_threshold_counts_as_there():
    logits = jnp.array(LOGITS)
    targets = jnp.array([[0.25, 0.75, 0.0], [0.2, 0.8, 0.0], [0.0, 0.1, 0.9]])
    there = jnp.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    np.testing.assert_array_equal(
        binary_cross_entropy(logits, targets, target_threshold=0.2),
        binary_cross_entropy(logits, there),
    )


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("softmax", lambda logits, targets: cross_entropy(logits, smoothed(targets, 0.1))),
        ("sigmoid", binary_cross_entropy),
        ("threshold_0.2", lambda *of: binary_cross_entropy(*of, target_threshold=0.2)),
        ("threshold_0.3", lambda *of: binary_cross_entropy(*of, target_threshold=0.3)),
    ],
)
def test_losses_of_mixed_targets_are_those_of_pytorch_and_timm(name, loss):
    logits = jnp.array(3 * draw("images.logits", (4, CLASSES)), jnp.float32)
    found = loss(logits, jnp.array(GOLDEN["losses.targets"]))
    np.testing.assert_allclose(found, GOLDEN[f"losses.{name}"], rtol=1e-5, err_msg=AGAIN)


def test_smoothed_binary_cross_entropy_is_timms():
    logits = jnp.array(3 * draw("images.logits", (4, CLASSES)), jnp.float32)
    targets = smoothed(one_hot(jnp.array([3, 1, 4, 0]), CLASSES), 0.1)
    found = binary_cross_entropy(logits, targets)
    np.testing.assert_allclose(found, GOLDEN["losses.smoothed"], rtol=1e-5, err_msg=AGAIN)
