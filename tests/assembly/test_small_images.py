"""Runs of small images with the changes and the views of fast recipes for CIFAR."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from traces import tiny
from training.recorder import Killed, Recorder, assert_equal, kill

from resnet_jax.assembly import Assembly
from resnet_jax.assembly.evaluation import Evaluation
from resnet_jax.training.loop import train
from resnet_jax.training.profile import Profile


def pixel(variables, images, train):
    """Logits of a network that sees one place alone: the channels of one pixel."""
    return images[:, 2, 5]


@pytest.mark.parametrize("average_logits", [False, True])
@pytest.mark.parametrize(
    ("kind", "places"),
    [
        ("mirrored", {(2, 5): 1 / 2, (2, 2): 1 / 2}),
        (
            "mirrored_shifted",
            {(2, 5): 1 / 4, (1, 4): 1 / 8, (3, 6): 1 / 8,
             (2, 2): 1 / 4, (1, 1): 1 / 8, (3, 3): 1 / 8},
        ),
    ],
)  # fmt: skip
def test_views_show_such_a_network_other_places_of_the_image(kind, places, average_logits):
    """The weights of the places are those of the published code, with and without shifts."""
    changes = {"data.eval_views": kind, "eval.average_logits": average_logits, "data.classes": 3}
    assembly = Assembly(tiny(**changes))
    data = assembly.eval_data
    shown = (np.asarray(data.arrays["images"], np.float64) / 255 - 0.5) / 0.25
    labels = np.asarray(data.arrays["labels"])
    logits = {place: shown[:, place[0], place[1]] for place in places}
    if not average_logits:
        logits = {place: np.exp(x) / np.exp(x).sum(1, keepdims=True) for place, x in logits.items()}
    mean = sum(weight * logits[place] for place, weight in places.items())
    network: Any = SimpleNamespace(apply=pixel)
    where = assembly.inputs, assembly.placement
    found = Evaluation(assembly.config, network, *where, 0, 32, {})({})
    assert found["examples"] == len(labels)
    assert found["top1"] == (mean.argmax(1) == labels).mean()
    assert found["one_view_top1"] == (shown[:, 2, 5].argmax(1) == labels).mean()
    assert found["top1"] != found["one_view_top1"]


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
