"""The evaluator against arithmetic; tests/assembly/test_evaluation.py has it on several devices."""

from functools import partial

import jax
import linear
import numpy as np
import pytest

from resnet_jax.data.contract import Batch
from resnet_jax.data.order import eval_indices
from resnet_jax.training import parallel
from resnet_jax.training.evaluation import Evaluator
from resnet_jax.training.steps import averaged, eval_logits, view_logits


class Split:
    """Eight examples that lie on the devices."""

    examples = 8

    def __init__(self, images=None):
        batch = linear.batch(8)
        self.arrays = {"images": batch.images if images is None else images, "labels": batch.labels}

    def eval_picks(self, batch_size, multiple):
        return eval_indices(8, batch_size, multiple)

    def eval_batch(self, arrays, picks):
        return Batch(arrays["images"][picks.indices], arrays["labels"][picks.indices], picks.mask)


def evaluator(apply, split, batch_size=5):
    return Evaluator(partial(view_logits, apply), split, batch_size, parallel.make_mesh())


@pytest.mark.parametrize("batch_size", [1, 3, 5, 8, 100])
def test_every_example_counts_once(batch_size):
    found = evaluator(linear.apply, Split(), batch_size)(linear.variables())
    batch = linear.batch(8)
    loss, _ = linear.loss_and_gradient(linear.PARAMS, batch)
    logits = batch.images.reshape(8, -1) @ linear.PARAMS["kernel"] + linear.PARAMS["bias"]
    assert found["examples"] == 8
    assert found["loss"] == pytest.approx(loss, rel=1e-5)
    assert found["top1"] == (logits.argmax(1) == batch.labels).mean()
    assert found["top5"] == 1


def test_running_statistics_are_used():
    """So an example's result does not depend on its batch."""
    network, split = linear.Normalised(), Split()
    variables = network.init(jax.random.key(1), split.arrays["images"], train=False)
    together = evaluator(network.apply, split, 8)(variables)["loss"]
    assert together == pytest.approx(
        evaluator(network.apply, split, 1)(variables)["loss"], rel=1e-5
    )


def test_views_of_an_image_are_averaged_after_the_softmax():
    views = 2 * np.stack([linear.batch(8, seed=seed).images for seed in range(3)], axis=1)
    found = evaluator(linear.apply, Split(views))(linear.variables())
    logits = views.reshape(8, 3, -1) @ linear.PARAMS["kernel"] + linear.PARAMS["bias"]
    mean = np.mean([linear.softmax(logits[:, view]) for view in range(3)], axis=0)
    labels = linear.batch(8).labels
    expected = -np.log(mean[range(8), labels]).mean()
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert found["top1"] == (mean.argmax(1) == labels).mean()
    # Averages of the logits would say something else.
    of_logits = -np.log(linear.softmax(logits.mean(1)))[range(8), labels].mean()
    assert abs(expected - of_logits) > 0.02


def test_views_may_be_averaged_before_the_softmax():
    """FFCV's train_imagenet.py adds the logits of an image and of its mirror image."""
    views = 2 * np.stack([linear.batch(8, seed=seed).images for seed in range(2)], axis=1)
    apply = partial(linear.apply, train=False)
    found = eval_logits(linear.apply, linear.variables(), views, average_logits=True)
    both = [apply(linear.variables(), views[:, number]) for number in range(2)]
    np.testing.assert_allclose(2 * found, both[0] + both[1], rtol=1e-5, atol=1e-6)


def test_the_first_view_is_scored_alone_too():
    views = 2 * np.stack([linear.batch(8, seed=seed).images for seed in (2, 3, 4)], axis=1)
    found = evaluator(linear.apply, Split(views))(linear.variables())
    logits = views[:, 0].reshape(8, -1) @ linear.PARAMS["kernel"] + linear.PARAMS["bias"]
    assert found["one_view_top1"] == (logits.argmax(1) == linear.batch(8).labels).mean()
    assert found["one_view_top1"] != found["top1"]
    assert "one_view_top1" not in evaluator(linear.apply, Split())(linear.variables())


@pytest.mark.parametrize("average_logits", [False, True])
def test_views_may_count_differently(average_logits):
    logits = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float32)
    weights = (1 / 2, 1 / 4, 1 / 4)
    found = averaged(logits, average_logits=average_logits, weights=weights)
    if average_logits:
        expected = logits[:, 0] / 2 + logits[:, 1] / 4 + logits[:, 2] / 4
    else:
        shares = np.stack([linear.softmax(logits[:, view]) for view in range(3)], axis=1)
        expected = np.log(shares[:, 0] / 2 + shares[:, 1] / 4 + shares[:, 2] / 4)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    equal = averaged(logits, average_logits=average_logits, weights=(1 / 3,) * 3)
    same = averaged(logits, average_logits=average_logits)
    np.testing.assert_allclose(equal, same, rtol=1e-5, atol=1e-6)


def test_arguments_reach_the_logits_without_a_new_compilation():
    traces = []

    def scaled(variables, images, scale):
        traces.append(1)
        return scale * linear.apply(variables, images, train=False)

    evaluate = Evaluator(scaled, Split(), 8, parallel.make_mesh())
    chance = evaluate(linear.variables(), 0.0)
    assert chance["loss"] == pytest.approx(np.log(linear.CLASSES))
    assert evaluate(linear.variables(), 1.0)["loss"] != chance["loss"]
    assert len(traces) == 1


def test_all_batches_are_under_way_before_the_host_waits(monkeypatch):
    """Sums are fetched once, after the last batch was handed to the devices."""
    evaluate, events = evaluator(linear.apply, Split(), batch_size=3), []
    fetch, picks = jax.device_get, Split.eval_picks

    def recorded_picks(*arguments):
        for each in picks(*arguments):
            events.append("batch")
            yield each

    monkeypatch.setattr(Split, "eval_picks", recorded_picks)
    monkeypatch.setattr(jax, "device_get", lambda tree: events.append("fetch") or fetch(tree))
    evaluate(linear.variables())
    assert events == ["batch"] * 3 + ["fetch"]
