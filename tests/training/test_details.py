"""Calibration and confusion, against arithmetic and scikit-learn."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from resnet_jax.training.details import (
    BINS,
    DetailedSums,
    calibration_error,
    class_accuracies,
    confusion,
    figures,
    reliability,
)
from resnet_jax.training.metrics import totals


@pytest.fixture(scope="module")
def examples():
    draw = np.random.default_rng(0)
    return draw.normal(size=(60, 7)).astype(np.float32) * 3, draw.integers(0, 6, 60, np.int32)


def of(logits, labels, mask=None):
    """Totals over two batches, the second with rows that only fill it up."""
    hits = logits.argmax(1) == labels
    filled = [np.concatenate([part[33:], part[:5]]) for part in (logits, labels, hits)]
    mask = np.arange(len(filled[1])) < len(labels) - 33
    batches = [(logits[:33], labels[:33], hits[:33], np.ones(33, bool)), (*filled, mask)]
    return totals(
        {
            "confusion": confusion(jnp.array(logits), jnp.array(labels), jnp.array(mask)),
            **reliability(jnp.array(logits), jnp.array(hits), jnp.array(mask)),
        }
        for logits, labels, hits, mask in batches
    )


def test_confusion_is_scikit_learns(examples):
    logits, labels = examples
    found = of(logits, labels)["confusion"]
    expected = confusion_matrix(labels, logits.argmax(1), labels=range(7))
    np.testing.assert_array_equal(found, expected)
    accuracies = class_accuracies(found)
    for label in range(6):
        hits = logits[labels == label].argmax(1) == label
        assert accuracies[label] == pytest.approx(hits.mean())
    assert accuracies[6] is None


def test_calibration_error_is_the_gap_of_each_bin_weighted_by_its_examples(examples):
    logits, labels = examples
    odds = np.exp(logits - logits.max(1, keepdims=True))
    confidence = (odds / odds.sum(1, keepdims=True)).max(1)
    hits = logits.argmax(1) == labels
    expected = 0.0
    for number in range(BINS):
        here = (confidence > number / BINS) & (confidence <= (number + 1) / BINS)
        if here.any():
            expected += here.mean() * abs(hits[here].mean() - confidence[here].mean())
    assert calibration_error(of(logits, labels)) == pytest.approx(expected, rel=1e-5)
    assert expected > 0.1


def test_a_network_that_is_right_as_often_as_it_says_is_calibrated():
    """Four examples with a confidence of 3/4, of which three are hits."""
    logits = np.log(np.tile([[0.75, 0.25]], (4, 1)))
    hits = jnp.array([True, True, True, False])
    found = reliability(jnp.array(logits, jnp.float32), hits, jnp.ones(4, bool))
    assert calibration_error(found) == pytest.approx(0, abs=1e-6)
    assert calibration_error({**found, "bin_hits": jnp.zeros(BINS)}) == pytest.approx(0.75)


def test_certainty_falls_into_the_last_bin():
    logits = jnp.array([[1e4, 0.0]])
    found = reliability(logits, jnp.array([True]), jnp.ones(1, bool))
    np.testing.assert_array_equal(found["bin_examples"], [0] * (BINS - 1) + [1])


def detailed(sums, logits, labels):
    """Figures of one batch."""
    batch = sums(jnp.array(logits), jnp.array(labels), jnp.ones(len(labels), bool))
    return figures(totals([batch]))


def test_figures_are_those_of_the_metrics(examples):
    logits, labels = examples
    found = detailed(DetailedSums(), logits, labels)
    assert found["top1"] == pytest.approx((logits.argmax(1) == labels).mean())
    assert found["top1"] <= found["top5"] <= 1 and found["examples"] == 60


def test_predictions_are_restricted_to_the_classes_that_a_set_has(examples):
    """Labels are places among them."""
    logits, _ = examples
    kept = np.array([1, 4, 6])
    labels = np.arange(60, dtype=np.int32) % 3
    found = detailed(DetailedSums(classes=kept), logits, labels)
    assert found["top1"] == pytest.approx((logits[:, kept].argmax(1) == labels).mean())
    everything = detailed(DetailedSums(), logits, kept[labels].astype(np.int32))
    assert found["top1"] > everything["top1"]


def test_any_of_several_answers_is_right(examples):
    logits, _ = examples
    answers = np.zeros((2, 7), bool)
    answers[0, [0, 3]] = answers[1, [2, 5, 6]] = True
    labels = np.arange(60, dtype=np.int32) % 2
    found = detailed(DetailedSums(answers=answers), logits, labels)
    assert found["top1"] == pytest.approx(answers[labels, logits.argmax(1)].mean())
    assert set(found) == {"examples", "top1", "calibration_error"}


@pytest.mark.parametrize("of", ["classes", "answers"])
def test_the_first_view_is_scored_with_the_same_classes_and_answers(examples, of):
    logits, _ = examples
    labels, mask, first = np.arange(60, dtype=np.int32) % 2, np.ones(60, bool), -logits
    if of == "classes":
        sums = DetailedSums(classes=np.array([1, 4]))
        right = first[:, [1, 4]].argmax(1) == labels
    else:
        answers = np.eye(2, 7, dtype=bool)
        sums, right = DetailedSums(answers=answers), answers[labels, first.argmax(1)]
    assert sums(logits, labels, mask, first)["one_view_top1"] == right.sum() > 0
    assert "one_view_top1" not in sums(logits, labels, mask)


def test_nan_is_never_right():
    logits = np.full((1, 3), np.nan, np.float32)
    for sums in (DetailedSums(), DetailedSums(answers=np.ones((1, 3), bool))):
        assert detailed(sums, logits, np.zeros(1, np.int32))["top1"] == 0
