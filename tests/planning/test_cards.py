"""NVIDIA cards by their names, and the exchanges between them."""

import re

import pytest

from resnet_jax.planning import cards
from resnet_jax.planning.cards import CARDS, Cards
from resnet_jax.tables import UserError


@pytest.mark.parametrize(
    ("text", "hosts", "in_a_host"), [("h100:1", 1, 1), ("h200:8", 1, 8), ("a100:16", 2, 8)]
)
def test_cards(text, hosts, in_a_host):
    found = cards.parse(text)
    assert (str(found), found.hosts, found.in_a_host) == (text, hosts, in_a_host)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("h10:8", "unknown card 'h10' (did you mean 'h100'?)"),
        ("h100:0", "'h100:0' names no cards: write which and how many, as h100:8"),
        ("h100", "names no cards"),
        ("h100:2x4", "names no cards"),
        ("h100:12", "leaves a host half empty: give up to 8 cards, or a multiple of 8"),
    ],
)
def test_what_are_no_cards(text, message):
    with pytest.raises(UserError, match=re.escape(message)):
        cards.parse(text)


@pytest.mark.parametrize("name", CARDS)
def test_a_card_by_its_units(name):
    """The peaks are units x operations x clock; 'tensor' clocks lie a little below `clock`.

    A tensor core multiplies and adds so many bfloat16 a clock: 256 (Ampere, four in a
    multiprocessor), 512 (Hopper), 1,024 (Blackwell); half as many of TF32.
    """
    card = CARDS[name]
    products = {8: 256, 9: 512, 10: 1_024}[card.capability]
    assert card.flops["bf16"] == pytest.approx(
        card.cores * 4 * products * 2 * card.clock * 1e9, 0.1
    )
    assert card.flops["f32"] == pytest.approx(card.flops["bf16"] / 2, 0.01)
    assert card.flops["bf16"] == card.flops["f16"] > card.flops["f32"] > card.flops["f64"]
    assert card.block_memory < card.shared_memory


def test_the_compiler_is_told_the_card():
    text = cards.target_config(CARDS["a100"])
    assert "core_count: 108" in text and "major: 8" in text and 'NVIDIA A100-SXM4-80GB"' in text
    assert "memory_bandwidth: 2039040000000 " in text and "device_memory_size: 85100068864" in text


def test_sums_over_cards_by_hand():
    assert Cards("h100", 1).exchange_time(1e9, 0, 5) == 0
    # 7/8 of the bytes there and back at 450 GB/s, and three levels of a tree twice.
    one = 2 * 7 / 8 * 100e6 / 450e9
    assert Cards("h100", 8).exchange_time(100e6, 0, 5) == pytest.approx(one + 5 * 2 * 3 * 1e-6)
    # Then each card sums an eighth with one card of the other host, at 25 GB/s.
    two = 2 * 7 / 8 * 100e6 / 300e9 + 2 * 100e6 / 8 / 2 / 25e9
    assert Cards("a100", 16).exchange_time(100e6, 0, 5) == pytest.approx(two + 5 * 2 * 4 * 1e-6)
    assert Cards("h100", 8).exchange_time(0, 100e6, 0) == pytest.approx(one / 2)
