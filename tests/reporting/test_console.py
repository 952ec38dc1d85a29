import sys
import time

import pytest

from resnet_jax.reporting.console import Console, describe

METRICS = {
    "train/loss": 1.23456,
    "train/top1": 0.5,
    "train/gradient_norm": 1.0,
    "lr": 0.1,
    "images_per_second": 1234.5,
}
BRIEF = ["loss", "top1"]
EVALUATION = {"eval/loss": 0.75, "eval/top1": 0.9123, "eval/top5": 1.0, "eval/examples": 360}


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    return now


def test_description():
    assert describe(METRICS, BRIEF) == "loss 1.2346  top1 0.5000  lr 0.1  1,234 images/s"
    assert describe(METRICS | EVALUATION, BRIEF).endswith("| test loss 0.7500 top1 0.9123")
    assert describe(METRICS | EVALUATION, ["top5"]).endswith("images/s  | test top5 1.0000")


def test_plain_lines_elsewhere_than_on_a_terminal(clock, capsys):
    console = Console(50, BRIEF)
    console.rewind(0)
    clock[0] += 30
    console.write(10, METRICS)
    clock[0] += 90
    console.write(40, METRICS | EVALUATION)
    console.close()
    output, errors = capsys.readouterr()
    # 3 s a step for 40 steps; 120 s for 40 steps and so 30 s for 10.
    assert output.splitlines() == [
        f"step 10/50  {describe(METRICS, BRIEF)}  02:00 left",
        f"step 40/50  {describe(METRICS | EVALUATION, BRIEF)}  00:30 left",
    ]
    assert errors == ""


def test_resumed_run_measures_its_own_steps(clock, capsys):
    console = Console(50, BRIEF)
    console.rewind(30)
    clock[0] += 20
    console.write(40, METRICS)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "continuing from the checkpoint of step 30"
    assert second.startswith("step 40/50 ") and second.endswith(" 00:20 left")


def test_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    console = Console(50, BRIEF)
    console.rewind(10)
    console.write(20, METRICS)
    console.write(50, METRICS | EVALUATION)
    console.close()
    output, bar = capsys.readouterr()
    assert "10/50" in bar and "50/50" in bar
    assert "loss 1.2346" in bar and "1,234 images/s" in bar
    # Only evaluations get a line above the bar.
    assert [line for line in output.splitlines() if line.startswith("step")] == [
        f"step 50/50  {describe(METRICS | EVALUATION, BRIEF)}"
    ]


def test_time_left_is_without_compiling(clock, capsys):
    console = Console(50, BRIEF)
    console.rewind(0)
    clock[0] += 5
    with console.compiling():
        clock[0] += 600
    clock[0] += 15
    console.write(10, METRICS)
    output = capsys.readouterr().out.splitlines()
    # 20 s for 10 steps.
    assert output[:2] == ["compiling ...", "compiled in 600 s"]
    assert output[2].endswith("01:20 left")


def test_the_bar_counts_the_seconds_of_compiling_and_moves_between_lines(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    console = Console(50, BRIEF)
    console.rewind(0)
    with console.compiling():
        time.sleep(1.2)
    console.reached(7)
    console.close()
    bar = capsys.readouterr().err
    assert "compiling ... 0 s" in bar and "compiling ... 1 s" in bar and "compiled in 1 s" in bar
    assert "7/50" in bar
