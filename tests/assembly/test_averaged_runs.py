"""Runs whose optimizer averages what is evaluated: refused, evaluated, stopped and resumed."""

import jax
import numpy as np
import pytest
from traces import tiny
from training.recorder import Killed, Recorder, assert_equal, kill

from resnet_jax.assembly import Assembly
from resnet_jax.assembly.restored import Restored
from resnet_jax.tables import UserError
from resnet_jax.training.loop import train
from resnet_jax.training.profile import Profile

AVERAGED = {"optim.name": "schedule_free_sgd", "eval.recalibration_steps": 2}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"eval.recalibration_steps": 0},
            "set eval.recalibration_steps, 50 for example, or a norm",
        ),
        ({"train.ema_decay": 0.9}, "so does train.ema_decay: leave it unset"),
        ({"finetune.frozen_parts": 1}, "choose another optim.name"),
    ],
)
def test_what_would_evaluate_something_else_is_refused(changes, sentence):
    with pytest.raises(UserError, match=sentence):
        Assembly(tiny(**{**AVERAGED, **changes})).run()


def test_a_network_without_running_averages_needs_no_recalibration():
    changes = {"eval.recalibration_steps": 0, "norm.name": "group", "norm.channel_groups": 2}
    Assembly(tiny(**{**AVERAGED, **changes})).run()


@pytest.mark.slow
def test_a_run_that_was_killed_equals_one_that_was_not(tmp_path):
    changes = {"train.steps": 6, "checkpoint.every_epochs": 0.5, "report.every_steps": 1}
    assembly = Assembly(tiny(**AVERAGED, **changes))
    run = assembly.run()

    def final(folder, *reporters):
        for reporter in reporters:
            with assembly.checkpoints(tmp_path / folder) as checkpoints:
                try:
                    train(run, checkpoints, reporter, Profile())
                except Killed:
                    continue
        with assembly.checkpoints(tmp_path / folder) as checkpoints:
            return checkpoints.restore(assembly.create_state())

    whole = final("whole", Recorder())
    assert_equal(final("killed", Recorder(step=4, action=kill), Recorder()), whole)
    # What is evaluated is neither what was trained nor with its statistics.
    variables = whole.eval_variables
    scored = assembly.evaluation.recalibrated(variables)
    for name, one, other in (
        ("params", variables["params"], whole.params),
        ("batch_stats", scored["batch_stats"], whole.batch_stats),
    ):
        pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
        assert any(not np.allclose(a, b, rtol=1e-4) for a, b in pairs), name
    assert run.evaluate(whole) == assembly.evaluation.evaluator(scored)
    studied = Restored(assembly, variables, "whole").subject().variables
    jax.tree.map(np.testing.assert_array_equal, studied, scored)
