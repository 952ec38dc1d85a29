"""The loop as a whole, on a network and a data set that are small enough to run it many times."""

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from recorder import STEPS, Killed, Recorder, assert_equal, kill, poisoned, terminate

from resnet_jax.tables import UserError
from resnet_jax.training.loop import call_lengths, train
from resnet_jax.training.profile import Profile

NO_PROFILE = Profile()


@pytest.fixture
def carry_out(assembly, tmp_path):
    """Carries out a run in the test's own workdir; returns what `train` does."""

    def carry_out(run, reporter, profile=NO_PROFILE):
        with assembly.checkpoints(tmp_path) as checkpoints:
            return train(run, checkpoints, reporter, profile)

    return carry_out


@pytest.fixture
def saved_state(assembly, tmp_path):
    def saved_state():
        with assembly.checkpoints(tmp_path) as checkpoints:
            return checkpoints.restore(assembly.create_state())

    return saved_state


def test_run_reaches_its_end(uninterrupted, assembly):
    assert uninterrupted.result["step"] == int(uninterrupted.state.step) == STEPS
    assert list(uninterrupted.lines) == list(range(1, STEPS + 1))
    evaluated = [step for step, line in uninterrupted.lines.items() if "eval/loss" in line]
    assert evaluated == [3, 6, 9]
    last = uninterrupted.lines[STEPS]
    assert last["eval/examples"] == uninterrupted.result["examples"] == 24
    assert last["eval/top1"] == uninterrupted.result["top1"]
    rates = [line["lr"] for line in uninterrupted.lines.values()]
    peak = assembly.numbers.rate
    expected = [peak * float(assembly.schedule(step)) for step in range(STEPS)]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def test_parameters_moved_and_the_average_followed(uninterrupted, assembly):
    fresh, state = assembly.create_state(), uninterrupted.state
    for old, new, average in zip(
        jax.tree.leaves(fresh.params),
        jax.tree.leaves(state.params),
        jax.tree.leaves(state.ema["params"]),
        strict=True,
    ):
        assert not np.array_equal(old, new)
        assert not np.array_equal(new, average)


@pytest.mark.parametrize(
    "step", [pytest.param(1, marks=pytest.mark.slow), 4, pytest.param(8, marks=pytest.mark.slow)]
)
def test_killed_run_continues_bit_for_bit(carry_out, saved_state, run, uninterrupted, step):
    stopped = Recorder(step=step, action=kill)
    with pytest.raises(Killed):
        carry_out(run, stopped)
    assert step not in stopped.lines

    continued = Recorder(stopped.lines)
    result = carry_out(run, continued)

    # The newest checkpoint, of an even step or the last, that was written before the kill.
    assert continued.rewound_to in {1: {0}, 4: {0, 2}, 8: {2, 4, 6}}[step]
    assert result == uninterrupted.result
    assert continued.lines == uninterrupted.lines
    assert_equal(saved_state(), uninterrupted.state)


def test_sigterm_saves_and_the_run_continues_bit_for_bit(
    carry_out, saved_state, run, uninterrupted
):
    stopped = Recorder(step=4, action=terminate)
    result = carry_out(run._replace(save_every=0), stopped)
    # The line of step 4 is written while step 5 computes, and no save was due.
    assert result == {"step": 5, "stopped": "SIGTERM"}
    assert int(saved_state().step) == 5
    assert list(stopped.lines) == [1, 2, 3, 4, 5]

    continued = Recorder(stopped.lines)
    assert carry_out(run, continued) == uninterrupted.result
    assert continued.rewound_to == 5
    assert continued.lines == uninterrupted.lines
    assert_equal(saved_state(), uninterrupted.state)


@pytest.mark.parametrize("step", [3, STEPS])
@pytest.mark.parametrize("times", [1, 2])
def test_an_evaluation_that_fails_loses_no_step(
    carry_out, saved_state, run, uninterrupted, step, times
):
    """As at an image that is broken: once it is mended, the run is as if it had not been."""
    reporter, calls = Recorder(), []

    def evaluate(state):
        calls.append(int(state.step))
        if calls[-1] == step and calls.count(step) <= times:
            raise UserError("val/dog/7.jpeg can't be read")
        return run.evaluate(state)

    for _ in range(times):
        with pytest.raises(UserError, match="can't be read"):
            carry_out(run._replace(evaluate=evaluate), reporter)
        assert list(reporter.lines) == list(range(1, step))
        assert int(saved_state().step) == step
        reporter = Recorder(reporter.lines)
    assert carry_out(run._replace(evaluate=evaluate), reporter) == uninterrupted.result
    assert reporter.lines == uninterrupted.lines
    assert_equal(saved_state(), uninterrupted.state)


def test_several_steps_a_call_change_nothing_but_rounding(
    carry_out, saved_state, run, uninterrupted
):
    reporter = Recorder()
    carry_out(run._replace(steps_per_call=3, save_every=0), reporter)
    assert list(reporter.lines) == list(uninterrupted.lines)
    for step, line in reporter.lines.items():
        expected = dict(uninterrupted.lines[step])
        assert line.keys() == expected.keys()
        assert line["train/loss"] == pytest.approx(expected["train/loss"], rel=1e-4)
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5),
        saved_state(),
        uninterrupted.state,
    )


def test_finished_run_is_evaluated_again_and_stays_as_it_is(
    carry_out, saved_state, run, uninterrupted, tmp_path
):
    reporter = Recorder()
    first = carry_out(run, reporter)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    lines = dict(reporter.lines)

    again = Recorder(lines)
    assert carry_out(run, again) == first == uninterrupted.result
    assert again.lines == lines
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == files


def test_loss_that_is_not_finite_keeps_the_checkpoints_before(carry_out, saved_state, run):
    reporter = Recorder()
    with pytest.raises(UserError, match="train/loss became nan at step 6"):
        carry_out(poisoned(run, 5), reporter)
    assert list(reporter.lines) == [1, 2, 3, 4, 5]
    state = saved_state()
    assert int(state.step) == 4
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


@pytest.mark.parametrize("steps_per_call", [1, 3, 16])
@pytest.mark.parametrize("evaluate_every", [0, 4, 7])
@pytest.mark.parametrize("save_every", [0, 3, 7])
@pytest.mark.parametrize("window", [None, "2:9"])
@pytest.mark.parametrize("size_changes", [(), (1, 11)])
@pytest.mark.parametrize("start", [0, 5, 20])
def test_no_call_passes_what_happens_between_steps(
    steps_per_call, evaluate_every, save_every, window, size_changes, start
):
    plan = SimpleNamespace(
        steps_per_call=steps_per_call,
        evaluate_every=evaluate_every,
        save_every=save_every,
        size_changes=size_changes,
    )
    lengths = list(call_lengths(plan, start, 20, Profile(window, Path())))
    assert all(1 <= length <= steps_per_call for length in lengths)
    ends = {start + int(end) for end in np.cumsum(lengths)}
    assert max(ends | {start}) == 20
    events = {
        step
        for every in (evaluate_every, save_every)
        if every
        for step in range(every, 21, every)
        if step > start
    }
    if window:
        events |= {step for step in (2, 9) if step > start}
    events |= {step for step in size_changes if step > start}
    assert events <= ends
    # As few calls as that allows.
    stops = sorted(events | {start, 20})
    fewest = sum(-(-(b - a) // steps_per_call) for a, b in pairwise(stops))
    assert len(lengths) == fewest
