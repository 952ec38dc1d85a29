"""The arithmetic of a plan."""

import dataclasses

import pytest
from planning.programs import CONVOLUTION, ELEMENTWISE, ON_CARDS, PROGRAM

from resnet_jax.planning import hardware, slices
from resnet_jax.planning.calibration import CARD_SHARES, CHIP_SHARE
from resnet_jax.planning.compiled import Collective
from resnet_jax.planning.scaling import predict


def test_a_step_on_one_chip_by_hand():
    found = predict(PROGRAM, slices.parse("v5e:1x1"), 200)
    assert found.images == 200 and found.communication_time == 0 and found.efficiency == 1
    assert found.arithmetic_time == pytest.approx(2e-3)
    # The state is read and written once, whatever the batch.
    assert found.memory_time == pytest.approx((200e6 + 2 * 819e6) / 819e9)
    assert found.step_time == pytest.approx(found.memory_time / CHIP_SHARE)
    assert found.images_per_second == pytest.approx(200 / found.step_time)
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
    split = dataclasses.replace(PROGRAM, collectives=(Collective("all-gather", 1, 100_000_000),))
    gathered = predict(split, on, 100 * on.chips)
    assert gathered.communication_time == pytest.approx(
        sent / 2 / (200e9 * share) + 2 * hops * 1e-6
    )


def test_only_the_compiled_slice_and_batch_are_called_compiled():
    assert predict(PROGRAM, slices.parse("v5e:2x2"), 400).compiled
    assert not predict(PROGRAM, slices.parse("v5e:2x2"), 800).compiled
    assert not predict(PROGRAM, slices.parse("v5e:4x4"), 1_600).compiled


def test_a_step_on_one_card_by_hand():
    """Convolutions take their arithmetic's time, the rest their traffic's, each a start beside."""
    found = predict(ON_CARDS, hardware.parse("h100:1"), 100)
    card = hardware.parse("h100:1").chip
    assert found.arithmetic_time == pytest.approx(2e-3)
    assert found.memory_time == pytest.approx(737e6 / card.bandwidth)
    convolutions = CONVOLUTION.count * (CARD_SHARES.start + 1e-3 / CARD_SHARES.arithmetic)
    moving = ELEMENTWISE.bytes / card.bandwidth / CARD_SHARES.bandwidth
    others = ELEMENTWISE.count * (CARD_SHARES.start + moving)
    assert found.step_time == pytest.approx(convolutions + others)
    assert found.communication_time == 0 and found.efficiency == 1
    # Twice the images take twice as long, but for the starts and for reading the state.
    twice = predict(ON_CARDS, hardware.parse("h100:1"), 200)
    assert 1.7 < (twice.step_time - 12 * CARD_SHARES.start) / (convolutions + others) < 2
    assert twice.bytes == pytest.approx(200e6 + 2 * 537e6)


def test_cards_wait_for_each_other():
    alone = predict(ON_CARDS, hardware.parse("h100:1"), 100)
    found = predict(ON_CARDS, hardware.parse("h100:8"), 800)
    exchange = hardware.parse("h100:8").exchange_time(100_000_000, 0, 3)
    assert found.communication_time == pytest.approx(exchange + 3 * CARD_SHARES.start)
    assert found.step_time == pytest.approx(alone.step_time + found.communication_time)
    assert found.compiled and not alone.compiled
