"""The arithmetic of a plan."""

import dataclasses

import pytest
from planning.programs import PROGRAM

from resnet_jax.planning import scaling, slices
from resnet_jax.planning.scaling import predict


def test_a_step_on_one_chip_by_hand():
    found = predict(PROGRAM, slices.parse("v5e:1x1"), 200)
    assert found.images == 200 and found.communication_time == 0 and found.efficiency == 1
    assert found.arithmetic_time == pytest.approx(2e-3)
    # The state is read and written once, whatever the batch.
    assert found.memory_time == pytest.approx((200e6 + 2 * 819e6) / 819e9)
    assert found.step_time == found.memory_time
    assert found.images_per_second == pytest.approx(200 / found.memory_time)
    assert found.memory == 100e6 + 2 * 60e6 + 100e6 + 2 * 1_000e6
    assert found.fits and not found.compiled
    assert not predict(PROGRAM, slices.parse("v5e:1x1"), 1_500).fits


@pytest.mark.parametrize(("text", "share", "hops"), [("v5e:4x4", 0.5, 6), ("v5e:16x16", 1, 16)])
def test_sums_over_chips_by_hand(text, share, hops):
    on = slices.parse(text)
    found = predict(PROGRAM, on, 100 * on.chips)
    sent = 2 * (on.chips - 1) / on.chips * 100e6
    assert found.communication_time == pytest.approx(sent / (200e9 * share) + 3 * 2 * hops * 1e-6)
    alone = predict(PROGRAM, slices.parse("v5e:1x1"), 100)
    assert found.efficiency == pytest.approx(alone.step_time / found.step_time)
    split = dataclasses.replace(PROGRAM, reduced=0, others=1, others_bytes=100_000_000)
    assert scaling.communication_time(split, on) < found.communication_time


def test_only_the_compiled_slice_and_batch_are_called_compiled():
    assert predict(PROGRAM, slices.parse("v5e:2x2"), 400).compiled
    assert not predict(PROGRAM, slices.parse("v5e:2x2"), 800).compiled
    assert not predict(PROGRAM, slices.parse("v5e:4x4"), 1_600).compiled
