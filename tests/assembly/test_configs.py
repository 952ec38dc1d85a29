"""Every configuration file builds a run, and what a run takes from its configuration."""

import importlib
from pathlib import Path

import jax
import numpy as np
import pytest
from traces import Trace, tiny

from resnet_jax.assembly import Assembly
from resnet_jax.data.sources.catalogue import Source
from resnet_jax.data.sources.decoded import ImageSet
from resnet_jax.tables import UserError

ROOT = Path(__file__).parents[2]
FILES = sorted(path.stem for path in (ROOT / "configs").glob("[a-z]*.py"))


def made_up(source: Source) -> Source:
    """A source of a few images in place of one that must be read from disk."""

    def load(split: str) -> ImageSet:
        draw = np.random.default_rng(len(split))
        images = draw.integers(0, 256, (256, *source.image_shape), np.uint8)
        return ImageSet(images, np.arange(256, dtype=np.int32) % len(source.class_names))

    return source._replace(load=load)


# The recipes of ImageNet have test_recipes.py.
ELSEWHERE = ("default", "photos")  # photos.py reads a folder: test_photos.py
BUILT = [name for name in FILES if name not in ELSEWHERE and not name.startswith("imagenet")]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name != "cifar10")) for name in BUILT]
)
def test_every_file_builds_a_run_and_its_first_step(name):
    config = importlib.import_module(f"configs.{name}").get_config()
    assembly = Assembly(config)
    assembly.inputs.__dict__["source"] = made_up(assembly.source)
    config.train.batch_size = 32
    assert "conv_general_dilated" in Trace(config, assembly).step
    assert len(config.data.mean) == len(config.data.std) == assembly.source.image_shape[-1]


@pytest.mark.parametrize(("platform", "on_cpu"), [("cpu", True), ("tpu", False), ("gpu", False)])
def test_what_the_platform_decides(platform, on_cpu):
    assembly = Assembly(tiny(), platform=platform)
    assert assembly.train_step.unroll == on_cpu
    assert not assembly.model.scan_blocks
    assert assembly.run().steps_per_call == 1


def test_keep_and_keep_best_reach_the_checkpoints(tmp_path):
    config = tiny(**{"checkpoint.keep": 1, "checkpoint.keep_best": 0})
    assembly = Assembly(config)
    with assembly.checkpoints(tmp_path) as checkpoints:
        state = assembly.create_state()
        for step, top1 in ((1, 0.9), (2, 0.1), (3, 0.2)):
            checkpoints.save(state.replace(step=jax.numpy.int32(step)), {"top1": top1})
        checkpoints.wait()
        assert checkpoints.steps == [3]
    config = tiny(**{"checkpoint.keep": 2, "checkpoint.keep_best": 1})
    with Assembly(config).checkpoints(tmp_path / "other") as checkpoints:
        for step, top1 in ((1, 0.9), (2, 0.1), (3, 0.2), (4, 0.3)):
            checkpoints.save(state.replace(step=jax.numpy.int32(step)), {"top1": top1})
        checkpoints.wait()
        assert checkpoints.steps == [1, 3, 4]
        assert checkpoints.best_step == 1


def test_sinks_follow_the_configuration(tmp_path, monkeypatch):
    projects = []
    monkeypatch.setattr(
        "resnet_jax.assembly.outputs.WandB",
        lambda workdir, project, config: projects.append(project),
    )
    monkeypatch.setattr("resnet_jax.assembly.outputs.TensorBoard", lambda folder: "tensorboard")
    for tensorboard in (True, False):
        for wandb in (True, False):
            config = tiny(**{"report.tensorboard": tensorboard, "report.wandb": wandb,
                             "report.project": "mine"})  # fmt: skip
            sinks = Assembly(config).reports(tmp_path).sinks
            assert ("tensorboard" in sinks) == tensorboard
            assert (None in sinks) == wandb
            sinks[0].close()
    assert projects == ["mine"] * 2


def test_the_window_of_the_profile_follows_the_configuration(tmp_path):
    assert Assembly(tiny(**{"report.profile": "2:9"})).profile(tmp_path).boundaries(0) == [2, 9]
    assert Assembly(tiny()).profile(tmp_path).boundaries(0) == []


def test_recalibration_needs_batch_statistics():
    config = tiny(**{"norm.name": "group", "norm.channel_groups": 2, "eval.recalibration_steps": 2})
    with pytest.raises(UserError, match="recomputes batch statistics"):
        Assembly(config).run()


@pytest.mark.parametrize("shortcut", ["shake_shake", "shake_drop", "dropout"])
def test_recalibration_draws_nothing(shortcut):
    config = tiny(**{"model.shortcut": shortcut, "eval.recalibration_steps": 2})
    with pytest.raises(UserError, match=r"this model\.shortcut draws at random there"):
        Assembly(config).run()
