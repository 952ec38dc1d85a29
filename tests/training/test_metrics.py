from itertools import pairwise

import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.training.metrics import METRICS, Metric, best_first, means, sums


def of(logits, labels, mask=None):
    labels = jnp.array(labels, jnp.int32)
    mask = jnp.ones(len(labels), bool) if mask is None else jnp.array(mask)
    found = sums(jnp.array(logits, jnp.float32), labels, mask)
    return {name: float(value) for name, value in found.items()}


@pytest.fixture
def examples():
    draw = np.random.default_rng(0)
    return draw.normal(size=(40, 12)).astype(np.float32), draw.integers(0, 12, 40)


def test_sums_are_those_of_a_sort(examples):
    logits, labels = examples
    order = np.argsort(-logits, axis=1, kind="stable")
    hits = order == labels[:, None]
    log_probabilities = logits - np.log(np.exp(logits).sum(1, keepdims=True))

    found = of(logits, labels)

    assert found["examples"] == 40
    assert found["top1"] == hits[:, :1].sum() > 0
    assert found["top5"] == hits[:, :5].sum() > found["top1"]
    assert found["loss"] == pytest.approx(-log_probabilities[range(40), labels].sum(), rel=1e-5)


def test_equal_logits_rank_in_the_order_of_classes():
    """So constant logits are right on one class alone, not on every example."""
    found = [of(np.zeros((1, 8)), [label]) for label in range(8)]
    assert [one["top1"] for one in found] == [1] + [0] * 7
    assert [one["top5"] for one in found] == [1] * 5 + [0] * 3


@pytest.mark.parametrize("where", [0, 3])
def test_nan_is_never_a_hit(where):
    logits = np.zeros((1, 8))
    logits[0, where] = np.nan
    for label in range(8):
        found = of(logits, [label])
        assert (found["top1"], found["top5"]) == (0, 0)


def test_all_are_among_the_top_five_of_four_classes():
    assert (
        of(np.random.default_rng(0).normal(size=(9, 4)), [0, 1, 2, 3, 0, 1, 2, 3, 0])["top5"] == 9
    )


@pytest.mark.parametrize("filler", [0.0, 1e30, np.nan])
def test_masked_examples_do_not_count(examples, filler):
    logits, labels = examples
    filled = np.concatenate([logits, np.full((3, 12), filler, np.float32)])
    mask = [True] * 40 + [False] * 3
    assert of(filled, [*labels, 0, 1, 2], mask) == pytest.approx(of(logits, labels), rel=1e-6)


def test_means_over_unequal_batches_are_those_of_the_whole(examples):
    logits, labels = examples
    edges = [0, 7, 8, 30, 40]
    parts = [of(logits[a:b], labels[a:b]) for a, b in pairwise(edges)]
    whole, found = of(logits, labels), means(parts)
    assert found.pop("examples") == 40
    assert found == pytest.approx({name: whole[name] / 40 for name in found}, rel=1e-6)
    assert set(found) == {"loss", "top1", "top5"} < set(METRICS)


def test_a_metric_is_a_row(examples, monkeypatch):
    """It may sum arrays, and come to something else than their mean."""
    logits, labels = examples
    metric = Metric(
        lambda o: {"of": o.logits.sum(0)}, lambda total, count: total["of"].max() / count
    )
    monkeypatch.setitem(METRICS, "spread", metric)
    halves = slice(20), slice(20, 40)
    found = means(
        sums(jnp.array(logits[half]), jnp.array(labels[half]), jnp.ones(20, bool))
        for half in halves
    )
    assert list(found) == ["examples", "loss", "top1", "top5", "spread"]
    assert found["spread"] == pytest.approx(logits.sum(0).max() / 40, rel=1e-5)


def test_accuracies_stand_before_errors():
    assert best_first(METRICS)[0] == "top1" and best_first(METRICS)[-1] == "loss"


def test_sums_add_up_in_float64():
    """In float32 the count would stop growing at 2^24."""
    one = {"loss": np.float32(1), "examples": np.int32(1)}
    many = {"loss": np.float32(2**24), "examples": np.int32(2**24)}
    assert means([many, one, one]) == {"examples": 2**24 + 2, "loss": 1.0}
