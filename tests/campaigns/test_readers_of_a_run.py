"""evaluate, predict and analyse beside a run that saves every few steps."""

import logging

import pytest
from campaigns.runs import amount, start
from command_line import call

from resnet_jax.assembly import restored


@pytest.mark.slow
@pytest.mark.usefixtures("quiet_readers")
def test_verbs_beside_a_run_see_whole_checkpoints(tmp_path, caplog):
    workdir, steps = tmp_path / "run", []
    process = start(workdir, "train.steps=1000000", "checkpoint.every_epochs=0.125",
                    "checkpoint.keep=1", "eval.every_epochs=0.0")  # fmt: skip
    try:
        while not list((workdir / "checkpoints").glob("[0-9]")) and process.poll() is None:
            pass
        with caplog.at_level(logging.ERROR):
            for number in range(amount(100, 10)):
                steps.append(restored.load(workdir).step)
                if number % 5 == 0:
                    assert call("evaluate", f"--workdir={workdir}")["examples"] == 256
                    call("analyse", "cost", f"--workdir={workdir}")
        assert process.poll() is None and "damaged" not in caplog.text
        assert steps == sorted(steps) and steps[-1] > steps[0] + len(steps)
    finally:
        process.kill()
        process.communicate()
    print(f"{len(steps)} reads beside a run, of steps {steps[0]} to {steps[-1]}")
