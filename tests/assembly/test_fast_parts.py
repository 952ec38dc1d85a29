"""Runs of all parts of the fastest recipes for CIFAR-10: how they start, and that they go on."""

import jax
import numpy as np
import pytest
from test_keys import STREAMED
from traces import tiny
from training.recorder import Killed, Recorder, assert_equal, kill

from configs import cifar10_94
from resnet_jax.assembly import Assembly, configuration
from resnet_jax.models.whitening import whitening_kernel
from resnet_jax.tables import UserError
from resnet_jax.training.loop import train
from resnet_jax.training.profile import Profile

# What made-up images of 8 pixels need in place of CIFAR-10's.
SMALL = {
    "data.source": "synthetic", "data.image_size": 8, "data.classes": 4, "data.examples": 64,
    "model.widths": (4, 6), "model.stage_depths": (1, 1), "train.batch_size": 32, "train.steps": 11,
    "schedule.warmup_epochs": 1.0, "checkpoint.every_epochs": 0.5, "report.every_steps": 1,
    "train.onednn": False, "report.page": False,
}  # fmt: skip


def fast(**changes):
    config = cifar10_94.get_config()
    del config.data.name
    for key, value in {**SMALL, **changes}.items():
        configuration.set_value(config, key, repr(value))
    return config


def assembled(**changes):
    return Assembly(fast(**changes))


@pytest.mark.parametrize(("images", "epsilon"), [(5_000, 5e-4), (16, 5e-4), (5_000, 0.1)])
def test_a_run_starts_with_the_kernel_of_its_first_images(images, epsilon):
    assembly = assembled(**{"init.whitening_images": images, "init.whitening_epsilon": epsilon})
    pixels = np.asarray(assembly.train_data.arrays["images"][:images], np.float64) / 255
    pixels = (pixels - assembly.config.data.mean) / assembly.config.data.std
    stem = assembly.create_state().params["stem_conv"]
    expected = whitening_kernel(pixels, 24, epsilon=epsilon)
    # Eigenvectors have no sign, and each stands beside its negative.
    np.testing.assert_allclose(np.abs(stem["kernel"]), np.abs(expected), rtol=1e-3, atol=1e-3)
    assert not stem["bias"].any()


def test_a_file_of_weights_brings_its_own_kernel():
    assembly = assembled()
    assert jax.tree.structure(assembly.pretrained) == jax.tree.structure(
        {"params": {"stem_conv": {"kernel": 0}}}
    )
    assert tiny().model.stem is None and not Assembly(tiny()).pretrained


def test_photographs_whiten_no_stem():
    changes = {**STREAMED, "model.stem": "whitening", "model.stem_width": 24}
    with pytest.raises(UserError, match=r"images of one size.*init\.weights"):
        Assembly(tiny(**changes)).create_state()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model.stem_width": 16}, r"set model\.stem_width=24"),
        ({"train.ema_decay": 0.9}, "leave one of them unset"),
        ({"optim.name": "schedule_free_sgd", "eval.recalibration_steps": 2}, "optim.groups"),
        (
            {"optim.name": "schedule_free_sgd", "eval.recalibration_steps": 2,
             "optim.groups": (), "model.stem": "cifar"},
            "optim.lookahead",
        ),
        (
            {"optim.name": "schedule_free_sgd", "eval.recalibration_steps": 2,
             "optim.lookahead": None, "optim.groups": ()},
            "model.stem=whitening",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_parts(changes, sentence):
    with pytest.raises(UserError, match=sentence):
        assembly = assembled(**changes)
        assembly.run()
        assembly.create_state()


# Losses of updates 1 to 5. Another order of sums changes their last digits. Whoever changes more
# changes the recipe: write them anew, with a line marked 'numerics' in CHANGELOG.md.
LOSSES = [1.358962, 1.427111, 1.372771, 1.354557, 1.344110]


@pytest.mark.slow
def test_a_run_that_was_killed_equals_one_that_was_not(tmp_path):
    """Killed between two moves of the slow weights, and after the stem's bias has stopped."""
    assembly = assembled()
    recorders = {}

    def final(folder, *reporters):
        for reporter in reporters:
            with assembly.checkpoints(tmp_path / folder) as checkpoints:
                try:
                    train(assembly.run(), checkpoints, reporter, Profile())
                except Killed:
                    continue
        recorders[folder] = reporters[-1]
        with assembly.checkpoints(tmp_path / folder) as checkpoints:
            return checkpoints.restore(assembly.create_state())

    whole = final("whole", Recorder())
    assert int(whole.step) == 11
    assert_equal(final("killed", Recorder(step=8, action=kill), Recorder()), whole)
    # Slow weights moved in updates 5 and 10 alone, so the fast ones are elsewhere in the end.
    assert not np.array_equal(whole.ema["params"]["head"]["kernel"], whole.params["head"]["kernel"])
    start = assembly.create_state().params["stem_conv"]["kernel"]
    np.testing.assert_array_equal(whole.params["stem_conv"]["kernel"], start)
    np.testing.assert_array_equal(whole.ema["params"]["stem_conv"]["kernel"], start)
    losses = [recorders["whole"].lines[step]["train/loss"] for step in range(1, 6)]
    np.testing.assert_allclose(losses, LOSSES, rtol=1e-3, err_msg="see LOSSES")


@pytest.mark.slow
def test_the_stems_bias_learns_in_the_first_epochs_alone(tmp_path):
    """Two epochs of two batches of 32 of 64 images."""
    groups = ({"name": "stem_bias", "epochs": 2.0},)

    def bias(steps):
        assembly = assembled(**{"optim.groups": groups, "train.steps": steps,
                                "optim.lookahead": None, "schedule.warmup_epochs": 0.0,
                                "schedule.name": "constant"})  # fmt: skip
        with assembly.checkpoints(tmp_path / str(steps)) as checkpoints:
            train(assembly.run(), checkpoints, Recorder(), Profile())
            return np.asarray(
                checkpoints.restore(assembly.create_state()).params["stem_conv"]["bias"]
            )

    np.testing.assert_array_equal(bias(4), bias(6))
    assert not np.array_equal(bias(3), bias(4))
