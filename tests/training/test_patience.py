"""Runs that end when no evaluation is better than the best one before."""

import pytest
from recorder import STEPS, Killed, Recorder, kill

from resnet_jax.training.loop import train
from resnet_jax.training.profile import Profile

# Top-1 after steps 1 to 9; each value again counts as no better.
SCORES = (0.1, 0.3, 0.2, 0.3, 0.5, 0.4, 0.5, 0.5, 0.6)


@pytest.fixture
def patient(run):
    """A run that evaluates after each step, with made-up figures."""

    def patient(patience, scores=SCORES, **changes):
        def evaluate(state):
            return {"examples": 24, "loss": 1.0, "top1": scores[int(state.step) - 1]}

        plan = {"evaluate": evaluate, "evaluate_every": 1, "save_every": 4, **changes}
        return run._replace(patience=patience, **plan)

    return patient


def ended(run, checkpoints, reporter):
    return train(run, checkpoints, reporter, Profile())


@pytest.mark.parametrize(
    ("patience", "last", "best"),
    [(1, 3, 2), (2, 4, 2), (3, 8, 5), (4, STEPS, None), (None, 9, None)],
)
def test_a_run_ends_after_so_many_evaluations_that_were_no_better(
    assembly, patient, tmp_path, patience, last, best
):
    reporter = Recorder()
    with assembly.checkpoints(tmp_path) as checkpoints:
        result = ended(patient(patience), checkpoints, reporter)
        found = {"step": best, "top1": SCORES[best - 1]} if best else None
        assert result["step"] == last and result.get("best") == found
        assert list(reporter.lines) == list(range(1, last + 1))
        checkpoints.wait()
        assert checkpoints.steps[-1] == last
        # The same command finds it at its end.
        assert ended(patient(patience), checkpoints, Recorder(reporter.lines)) == result


def test_the_count_goes_on_where_a_run_was_killed(assembly, patient, tmp_path):
    """The best was at step 5, which is not saved; step 6 alone is, before the kill."""
    run, reporter = patient(3, save_every=6), Recorder(step=7, action=kill)
    with assembly.checkpoints(tmp_path) as checkpoints, pytest.raises(Killed):
        ended(run, checkpoints, reporter)
    continued = Recorder(reporter.lines)
    with assembly.checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps == [6]
        result = ended(run, checkpoints, continued)
    assert continued.rewound_to == 6
    assert result["step"] == 8 and result["best"] == {"step": 5, "top1": 0.5}
    assert list(continued.lines) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_evaluations_count_and_not_steps(patient):
    run = patient(2, evaluate_every=3)  # 0.2, 0.4, 0.6: each is better
    assert train(run, None, Recorder(), Profile())["step"] == STEPS
    run = patient(1, evaluate_every=4)  # 0.3, 0.5 and at the end 0.6
    assert train(run, None, Recorder(), Profile())["step"] == STEPS
    falling = patient(2, tuple(1 - score for score in SCORES), evaluate_every=3)
    assert train(falling, None, Recorder(), Profile()) == {
        "step": STEPS, "examples": 24, "loss": 1.0, "top1": 1 - SCORES[-1],
    }  # fmt: skip
