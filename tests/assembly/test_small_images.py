"""Runs of small images with the changes of fast recipes for CIFAR."""

import pytest
from traces import tiny
from training.recorder import Killed, Recorder, assert_equal, kill

from resnet_jax.assembly import Assembly
from resnet_jax.training.loop import train
from resnet_jax.training.profile import Profile

CHANGES = {"data.pad": None, "data.reflect_pad": 1, "data.flip": "alternating",
           "data.inner_cutout": 3}  # fmt: skip


@pytest.mark.slow
def test_a_run_that_was_killed_in_its_second_epoch_equals_one_that_was_not(tmp_path):
    """Three epochs of 64 images in batches of 24; the images of step 3 are of two epochs."""
    changes = {"train.batch_size": 24, "train.steps": 8, "checkpoint.every_epochs": 0.4,
               "report.every_steps": 1}  # fmt: skip
    assembly = Assembly(tiny(**CHANGES, **changes))
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

    whole, killed = Recorder(), Recorder(step=4, action=kill)
    expected = final("whole", whole)
    again = Recorder(killed.lines)
    assert_equal(final("killed", killed, again), expected)
    assert again.rewound_to == 3
    assert {step: line for step, line in whole.lines.items() if step > 3} == again.lines
