"""Runs with every connection: stopped and resumed, and exported."""

import jax
import jax.export
import numpy as np
import pytest
from models.connections.networks import BESIDE, CONNECTIONS
from traces import tiny
from training.recorder import Killed, Recorder, assert_equal, kill

from resnet_jax.assembly import Assembly
from resnet_jax.models.shortcuts import SHORTCUTS
from resnet_jax.training.loop import train
from resnet_jax.training.profile import Profile
from resnet_jax.weights.artefacts import stablehlo

pytestmark = pytest.mark.slow


def assembled(name):
    row = SHORTCUTS[name]
    beside = {f"model.{key}": value for key, value in BESIDE.get(name, {}).items()}
    return Assembly(
        tiny(
            **{
                "model.stage_depths": (2, 1),
                "model.shortcut": name,
                "model.arrangement": "original" if row.after else "full_preactivation",
                "model.survival": 0.8,
                "train.steps": 4,
                "checkpoint.every_epochs": 0.5,
                "report.every_steps": 1,
                **beside,
            }
        )
    )


@pytest.mark.parametrize("name", CONNECTIONS)
def test_a_run_that_was_killed_equals_one_that_was_not(name, tmp_path):
    assembly = assembled(name)

    def final(folder, *reporters):
        for reporter in reporters:
            with assembly.checkpoints(tmp_path / folder) as checkpoints:
                try:
                    train(assembly.run(), checkpoints, reporter, Profile())
                except Killed:
                    continue
        with assembly.checkpoints(tmp_path / folder) as checkpoints:
            return checkpoints.restore(assembly.create_state())

    whole = final("whole", Recorder())
    assert int(whole.step) == 4
    assert_equal(final("killed", Recorder(step=3, action=kill), Recorder()), whole)
    fresh = assembly.create_state().params
    assert any(
        not np.array_equal(a, b)
        for a, b in zip(jax.tree.leaves(fresh), jax.tree.leaves(whole.params), strict=True)
    )


@pytest.mark.parametrize("name", CONNECTIONS)
def test_an_export_computes_the_same(name, rng_images):
    model = assembled(name).model
    image = rng_images[:1]
    variables = jax.jit(lambda: model.init(jax.random.key(0), image, train=False))()
    exported = jax.export.deserialize(bytearray(stablehlo(model, variables, image.shape[1:])))
    found = exported.call(rng_images)
    expected = jax.jit(lambda images: model.apply(variables, images, train=False))(rng_images)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.fixture
def rng_images():
    return np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype(np.float32)
