import math

import numpy as np
import pytest

from resnet_jax.tables import UserError
from resnet_jax.training.meter import Meter


class Lines:
    """A reporter that remembers."""

    def __init__(self):
        self.all = []

    def rewind(self, step):
        self.all = [(number, metrics) for number, metrics in self.all if number <= step]

    def write(self, step, metrics):
        self.all.append((step, dict(metrics)))

    @property
    def steps(self):
        return [step for step, _ in self.all]


def report(*losses, top1=2, gradient_norm=1.0):
    """The stacked reports of steps with these losses over 4 examples."""
    count = len(losses)
    return {
        "sums": {
            "loss": np.array(losses, np.float32),
            "top1": np.full(count, top1),
            "top5": np.full(count, 4),
            "examples": np.full(count, 4),
        },
        "gradient_norm": np.full(count, gradient_norm, np.float32),
        "learning_rate": np.arange(count, dtype=np.float32),
    }


@pytest.fixture
def lines():
    return Lines()


def test_a_line_every_so_many_steps(lines):
    meter = Meter(lines, batch_size=4, every=3)
    for step in range(1, 11):
        meter.push(step, report(8.0))
    meter.flush()
    assert lines.steps == [3, 6, 9]


def test_a_line_holds_means_over_the_examples(lines):
    meter = Meter(lines, batch_size=4, every=1)
    meter.push(1, report(8.0, top1=3, gradient_norm=5.0))
    meter.flush()
    ((_, metrics),) = lines.all
    assert metrics.pop("images_per_second") > 0
    assert metrics == {"train/loss": 2.0, "train/top1": 0.75, "train/gradient_norm": 5.0, "lr": 0.0}


def test_stacked_reports_are_single_steps(lines):
    meter = Meter(lines, batch_size=4, every=2)
    meter.push(3, report(4.0, 8.0, 12.0))
    meter.push(6, report(16.0, 20.0, 24.0))
    meter.flush()
    assert lines.steps == [2, 4, 6]
    assert [metrics["train/loss"] for _, metrics in lines.all] == [2.0, 4.0, 6.0]
    assert [metrics["lr"] for _, metrics in lines.all] == [1.0, 0.0, 2.0]


def test_steps_are_written_one_push_late_so_that_devices_need_not_wait(lines):
    meter = Meter(lines, batch_size=4, every=1)
    meter.push(1, report(8.0))
    assert lines.steps == []
    meter.push(2, report(8.0))
    assert lines.steps == [1]


@pytest.mark.parametrize("every", [0, 1, 5])
def test_an_evaluation_joins_the_line_of_its_step(lines, every):
    meter = Meter(lines, batch_size=4, every=every)
    meter.push(4, report(4.0, 8.0))
    meter.add({"eval/loss": 3.0, "eval/top1": 0.5})
    meter.push(5, report(12.0))
    meter.flush()
    assert lines.steps == {0: [4], 1: [3, 4, 5], 5: [4, 5]}[every]
    line = dict(lines.all)[4]
    assert (line["train/loss"], line["eval/loss"], line["eval/top1"]) == (2.0, 3.0, 0.5)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_loss_that_is_not_finite_stops_and_writes_no_such_line(lines, bad):
    meter = Meter(lines, batch_size=4, every=1)
    meter.push(2, report(4.0, 4.0))
    meter.push(4, report(4.0, bad))
    with pytest.raises(UserError, match=rf"train/loss became {bad} at step 4 .*optim\.rate"):
        meter.push(5, report(4.0))
    assert lines.steps == [1, 2]


def test_gradient_that_is_not_finite_stops(lines):
    meter = Meter(lines, batch_size=4, every=1)
    meter.push(1, report(4.0, gradient_norm=math.nan))
    with pytest.raises(UserError, match="train/gradient_norm became nan at step 1"):
        meter.settle()


def test_images_per_second(lines, monkeypatch):
    """Over the steps since the last line, without the time of what is no training."""
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    meter = Meter(lines, batch_size=4, every=2)
    for step, seconds in [(1, 3.0), (2, 1.0), (3, 0.5), (4, 1.5)]:
        meter.push(step, report(1.0))
        now[0] += seconds
    meter.flush()
    assert [metrics["images_per_second"] for _, metrics in lines.all] == [8 / 4, 8 / 2]

    now[0] += 100.0  # an evaluation
    meter.restart()
    meter.push(6, report(1.0, 1.0))
    now[0] += 2.0
    meter.flush()
    assert lines.all[-1][1]["images_per_second"] == 8 / 2


def test_evaluations_and_compiling_are_no_time_of_training(lines, monkeypatch):
    """The step after an evaluation counts from the evaluation's end, not from the next line on."""
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    meter = Meter(lines, batch_size=4, every=0)
    with meter.compiling():
        now[0] += 30.0
    meter.push(1, report(1.0))
    now[0] += 2.0
    meter.settle()
    with meter.paused():
        now[0] += 100.0
    meter.add({"eval/loss": 1.0})
    now[0] += 1.0  # the second step is under way before the line of the first is written
    meter.push(2, report(1.0))
    now[0] += 3.0
    meter.add({"eval/loss": 1.0})
    meter.flush()
    first, second = (metrics for _, metrics in lines.all)
    assert (first["images_per_second"], second["images_per_second"]) == (4 / 2, 4 / 4)
    assert first["compile_seconds"] == 30.0 and "compile_seconds" not in second


def test_an_evaluation_that_is_not_finite_stops_the_run_and_is_not_written(lines):
    meter = Meter(lines, batch_size=4, every=1)
    meter.push(1, report(8.0))
    with pytest.raises(UserError, match="eval/loss became nan at step 1"):
        meter.add({"eval/loss": math.nan})
    assert lines.all == []
