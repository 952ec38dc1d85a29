"""timm's RandAugment: `rand-m7-mstd0.5-inc1` of timm/data/auto_augment.py."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from resnet_jax.data.changes import timm_augment
from resnet_jax.data.changes.timm_augment import OPERATIONS, TimmRandAugment

DRAWS = 6_000
COLOURS = np.arange(0, 240, 20)


def drawn(monkeypatch, policy):
    """(operation, share of the highest level, sign) of every operation that many images get."""
    found = []

    def note(name):
        return lambda image, share, moved, sign: found.append((name, share, sign)) or image

    monkeypatch.setattr(timm_augment, "OPERATIONS", {name: note(name) for name in OPERATIONS})
    draw, image = np.random.default_rng(0), Image.new("RGB", (4, 4))
    for _ in range(DRAWS):
        policy(draw, image)
    return found


def test_two_operations_are_applied_with_probability_a_half_each(monkeypatch):
    found = drawn(monkeypatch, TimmRandAugment(magnitude=7.0))
    assert len(found) / DRAWS == pytest.approx(2 * 0.5, abs=4 * np.sqrt(0.5 / DRAWS))
    frequencies = Counter(name for name, _, _ in found)
    # timm's set for 'inc1': Invert and SolarizeAdd are in it, Identity is not.
    assert set(frequencies) == {
        "AutoContrast", "Equalize", "Invert", "Rotate", "Posterize", "Solarize", "SolarizeAdd",
        "Color", "Contrast", "Brightness", "Sharpness", "ShearX", "ShearY", "TranslateX",
        "TranslateY",
    }  # fmt: skip
    deviation = np.sqrt(len(found) / 15)
    assert all(abs(count - len(found) / 15) < 4 * deviation for count in frequencies.values())
    assert np.mean([sign for _, _, sign in found]) == pytest.approx(0, abs=0.06)


def test_levels_are_drawn_around_the_magnitude(monkeypatch):
    levels = [10 * share for _, share, _ in drawn(monkeypatch, TimmRandAugment(magnitude=7.0))]
    assert np.mean(levels) == pytest.approx(7, abs=0.03)
    assert np.std(levels) == pytest.approx(0.5, abs=0.03)
    cut = [share for _, share, _ in drawn(monkeypatch, TimmRandAugment(magnitude=10.0))]
    assert max(cut) == 1 and np.mean(np.equal(cut, 1)) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("Invert", 255 - COLOURS),
        # At level 7 of 10: int(2.8) more of four bits go, 256 - int(179.2), int(77.0) are added.
        ("Posterize", COLOURS // 64 * 64),
        ("Solarize", np.where(COLOURS < 256 - 179, COLOURS, 255 - COLOURS)),
        ("SolarizeAdd", np.where(COLOURS < 128, COLOURS + 77, COLOURS)),
        ("Brightness", np.minimum(COLOURS * 1.63, 255).astype(int)),
    ],
)
def test_values_of_colours(operation, expected):
    image = Image.fromarray(np.repeat(COLOURS[None, :, None], 3, 2).astype(np.uint8))
    changed = np.asarray(OPERATIONS[operation](image, 0.7, None, 1))
    np.testing.assert_array_equal(changed[0, :, 0], expected)


@pytest.mark.parametrize(
    ("operation", "matrix"),
    [
        ("ShearX", (1, -0.21, 0, 0, 1, 0)),
        ("ShearY", (1, 0, 0, -0.21, 1, 0)),
        ("TranslateX", (1, 0, -0.315 * 60, 0, 1, 0)),
        ("TranslateY", (1, 0, 0, 0, 1, -0.315 * 40)),
    ],
)
def test_moves(operation, matrix):
    moves = []
    OPERATIONS[operation](Image.new("RGB", (60, 40)), 0.7, lambda _, m: moves.append(m), -1)
    np.testing.assert_allclose(moves, [matrix], rtol=1e-6)


@pytest.mark.parametrize("operation", ["Rotate", "TranslateX"])
def test_what_moves_in_has_the_mean_colour(monkeypatch, operation):
    monkeypatch.setattr(timm_augment, "OPERATIONS", {operation: OPERATIONS[operation]})
    policy = TimmRandAugment(operations=1, probability=1.0)
    image = policy(np.random.default_rng(0), Image.new("RGB", (40, 40), "white"))
    # 255 (0.485, 0.456, 0.406), rounded.
    assert (124, 116, 104) in {colour for _, colour in image.getcolors(10**4)}


@pytest.mark.peers
@pytest.mark.parametrize("level", [0.0, 3.3, 7.0, 7.77])
def test_operations_give_timms_pixels(monkeypatch, level):
    peer = pytest.importorskip("timm.data.auto_augment", reason="requirements-peers.txt")
    draw = np.random.default_rng(0)
    image = Image.fromarray(draw.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    kind, fill = Image.Resampling.BICUBIC, (124, 116, 104)
    hparams = {"img_mean": fill, "interpolation": kind}
    monkeypatch.setattr(peer, "_randomly_negate", lambda value: value)

    def moved(image, matrix, degrees=0.0):
        if matrix is None:
            return image.rotate(degrees, resample=kind, fillcolor=fill)
        method = Image.Transform.AFFINE
        return image.transform(image.size, method, matrix, resample=kind, fillcolor=fill)

    for name, other in zip(OPERATIONS, peer.rand_augment_choices("", increasing=True), strict=True):
        expected = peer.AugmentOp(other, prob=1.0, magnitude=level, hparams=hparams)(image)
        found = OPERATIONS[name](image, level / 10, moved, 1)
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected), name)
