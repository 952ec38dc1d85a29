"""The loop with several members, each a run of its own."""

import shutil
from contextlib import ExitStack

import pytest
from recorder import STEPS, Recorder, assert_equal, poisoned, terminate

from resnet_jax.training.dispatch import Dispatch
from resnet_jax.training.loop import Member, train_together
from resnet_jax.training.profile import Profile


class InTurn:
    """A program that makes the updates of each run in a dispatch of its own."""

    def __init__(self, runs, compiling):
        self._dispatches = [Dispatch([run], compiling) for run in runs]
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
            stopped = train_together(members, Profile(), program)
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
    stopped, [bad, good], calls = train_both([poisoned(run, 5), run], reporters)
    assert stopped is None and good.diverged is None
    # The program goes on as it is; another would have to be compiled.
    assert calls == [[1, 2, 3, 4, 5, 6, 7, 8, 9]]
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


def test_a_member_that_ends_early_leaves_the_others_to_go_on(train_both, run, uninterrupted):
    """What a member computes does not depend on when another ends."""
    falling = run._replace(
        patience=1, evaluate=lambda state: {**run.evaluate(state), "top1": 1 / int(state.step)}
    )
    reporters = [Recorder(), Recorder()]
    stopped, [early, late], calls = train_both([falling, run], reporters)
    assert stopped is None and [early.step, late.step] == [6, STEPS]
    assert calls == [[1, 2, 3, 4, 5, 6], [7, 8, 9]]
    assert list(reporters[0].lines) == [1, 2, 3, 4, 5, 6]
    assert reporters[1].lines == uninterrupted.lines
    assert_equal(late.state, uninterrupted.state)
