"""The loop as a whole, on a network and a data set that are small enough to run it many times."""

import os
import shutil
import signal
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import default
from resnet_jax.assembly import Assembly
from resnet_jax.tables import UserError
from resnet_jax.training.dispatch import Dispatch
from resnet_jax.training.loop import Member, call_lengths, train, train_together
from resnet_jax.training.profile import Profile

STEPS = 9
NO_PROFILE = Profile()


class Killed(Exception):
    """Stands for the end of the process."""


class Recorder:
    """Lines of metrics as a file would keep them, and something to do at one step."""

    def __init__(self, lines=(), step=None, action=None):
        self.lines = dict(lines)
        self.rewound_to = None
        self._step, self._action = step, action

    def rewind(self, step):
        self.rewound_to = step
        self.lines = {number: line for number, line in self.lines.items() if number <= step}

    def write(self, step, metrics):
        if step == self._step:
            self._action()
        assert step not in self.lines, "a step is written twice"
        self.lines[step] = {**metrics, "images_per_second": None}


def kill():
    raise Killed


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(scope="module")
def assembly():
    """24 images, so 3 steps an epoch; everything that draws random numbers is on."""
    config = default.get_config()
    config.update_from_flattened_dict(
        {
            "data.source": "synthetic",
            "data.image_size": 8,
            "data.classes": 4,
            "data.examples": 24,
            "data.pad": 1,
            "data.flip": True,
            "model.stage_depths": (1,),
            "model.widths": (4,),
            "model.stem_width": 4,
            "model.dropout": 0.1,
            "train.batch_size": 8,
            "train.steps": STEPS,
            "train.ema_decay": 0.9,
            "optim.name": "adamw",
            "optim.rate": 0.01,
            "schedule.warmup_epochs": 1.0,
            "eval.batch_size": 10,
            "eval.every_epochs": 1.0,
            "checkpoint.every_epochs": 2 / 3,
            "report.every_steps": 1,
        }
    )
    return Assembly(config)


@pytest.fixture(scope="module")
def run(assembly):
    return assembly.run()


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


@pytest.fixture(scope="module")
def uninterrupted(assembly, run, tmp_path_factory):
    """The result, the state and the lines of a run that nothing stops."""
    workdir, reporter = tmp_path_factory.mktemp("uninterrupted"), Recorder()
    with assembly.checkpoints(workdir) as checkpoints:
        result = train(run, checkpoints, reporter, NO_PROFILE)
        checkpoints.wait()
        state = checkpoints.restore(assembly.create_state())
    return SimpleNamespace(result=result, state=state, lines=reporter.lines)


def assert_equal(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


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


@pytest.mark.parametrize("step", [1, 4, 8])
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


def poisoned(run, last):
    """The run, its parameters NaN after update `last`."""

    def train_step(state, *arguments):
        params = jax.tree.map(lambda x: jnp.where(state.step == last, jnp.nan, x), state.params)
        return run.train_step(state.replace(params=params), *arguments)

    return run._replace(train_step=train_step)


def test_loss_that_is_not_finite_keeps_the_checkpoints_before(carry_out, saved_state, run):
    reporter = Recorder()
    with pytest.raises(UserError, match="train/loss became nan at step 6"):
        carry_out(poisoned(run, 5), reporter)
    assert list(reporter.lines) == [1, 2, 3, 4, 5]
    state = saved_state()
    assert int(state.step) == 4
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


class InTurn:
    """A program that makes the updates of each run in a dispatch of its own."""

    def __init__(self, runs, on_compiled):
        self._dispatches = [Dispatch([run], on_compiled) for run in runs]
        self.calls = []

    def join(self, states):
        return list(states)

    def split(self, state):
        return state

    def __call__(self, state, step, count):
        self.calls.append(step + count)
        done = [
            dispatch(own, step, count)
            for dispatch, own in zip(self._dispatches, state, strict=True)
        ]
        return [state for state, _ in done], [report for _, (report,) in done]


@pytest.fixture
def train_both(assembly, tmp_path):
    """Trains two runs together, each with a folder and a reporter of its own.

    Returns the signal that stopped them, the members, and the steps of each program's calls.
    """

    def train_both(runs, reporters):
        programs = []

        def program(*arguments):
            programs.append(InTurn(*arguments))
            return programs[-1]

        with ExitStack() as stack:
            members = []
            for number, (run, reporter) in enumerate(zip(runs, reporters, strict=True)):
                checkpoints = assembly.checkpoints(tmp_path / str(number))
                members.append(Member(run, stack.enter_context(checkpoints), reporter))
            stopped = train_together(members, NO_PROFILE, program)
        return stopped, members, [made.calls for made in programs]

    train_both.folder = tmp_path
    return train_both


def test_members_that_stopped_at_different_steps_catch_up(train_both, run, uninterrupted):
    interrupted = [Recorder(step=4, action=terminate), Recorder()]
    stopped, members, _ = train_both([run, run], interrupted)
    assert stopped == "SIGTERM" and [member.step for member in members] == [5, 5]
    shutil.rmtree(train_both.folder / "1")

    reporters = [Recorder(list(uninterrupted.lines.items())[:5]), Recorder()]
    stopped, members, calls = train_both([run, run], reporters)
    assert stopped is None and calls == [[1, 2, 3, 4, 5], [6, 7, 8, 9]]
    for member, reporter in zip(members, reporters, strict=True):
        assert reporter.lines == uninterrupted.lines
        assert {"step": member.step, **member.evaluation} == uninterrupted.result
        assert_equal(member.state, uninterrupted.state)


def test_a_member_that_diverges_leaves_the_others_alone(train_both, run, uninterrupted):
    reporters = [Recorder(), Recorder()]
    stopped, [bad, good], _ = train_both([poisoned(run, 5), run], reporters)
    assert stopped is None and good.diverged is None
    assert "train/loss became nan at step 6" in str(bad.diverged)
    assert list(reporters[0].lines) == [1, 2, 3, 4, 5]
    assert sorted(path.name for path in train_both.folder.glob("0/checkpoints/[0-9]*")) == [
        "2",
        "4",
    ]
    assert reporters[1].lines == uninterrupted.lines
    assert_equal(good.state, uninterrupted.state)


def test_a_program_ends_with_its_last_member(train_both, run):
    _, _, calls = train_both([poisoned(run, 2), poisoned(run, 4)], [Recorder(), Recorder()])
    # The report of step 5 is looked at while step 6 computes.
    assert calls == [[1, 2, 3, 4, 5, 6]]


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
