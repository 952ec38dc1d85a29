"""A run that is small enough to be trained many times, and what a run leaves behind."""

from types import SimpleNamespace

import pytest
from recorder import STEPS, Recorder

from configs import default
from resnet_jax.assembly import Assembly
from resnet_jax.training.loop import train
from resnet_jax.training.profile import Profile


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def run(assembly):
    return assembly.run()


@pytest.fixture(scope="session")
def uninterrupted(assembly, run, tmp_path_factory):
    """The result, the state and the lines of a run that nothing stops."""
    workdir, reporter = tmp_path_factory.mktemp("uninterrupted"), Recorder()
    with assembly.checkpoints(workdir) as checkpoints:
        result = train(run, checkpoints, reporter, Profile())
        checkpoints.wait()
        state = checkpoints.restore(assembly.create_state())
    return SimpleNamespace(result=result, state=state, lines=reporter.lines)
