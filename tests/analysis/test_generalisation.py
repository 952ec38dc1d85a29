"""Calibration, confusion and corruptions against arithmetic and the published definitions."""

import numpy as np
import pytest

from resnet_jax.analysis.generalisation import confused_pairs
from resnet_jax.data.corruptions import CORRUPTIONS, corrupt
from resnet_jax.tables import UserError
from resnet_jax.training import calibration


def test_calibration_error_by_hand():
    # Two at 0.9, one right; one at 0.6, right; two at 0.55, none right: bins of a tenth.
    confidence = np.array([0.9, 0.9, 0.6, 0.55, 0.55])
    probability = np.stack([confidence, 1 - confidence], axis=1)
    found = calibration.reliability(probability, np.array([0, 1, 0, 1, 1]), bins=10)
    assert found.count.tolist() == [0, 0, 0, 0, 0, 3, 0, 0, 2, 0]
    np.testing.assert_allclose(found.accuracy[[5, 8]], [1 / 3, 1 / 2])
    np.testing.assert_allclose(found.confidence[[5, 8]], [1.7 / 3, 0.9])
    gaps = 3 / 5 * (1.7 / 3 - 1 / 3) + 2 / 5 * (0.9 - 0.5)
    assert found.calibration_error == pytest.approx(gaps)


def test_confusion_counts_and_pairs():
    counts = calibration.confusion(np.array([0, 0, 1, 2, 2]), np.array([0, 1, 0, 2, 1]), 3)
    assert counts.tolist() == [[1, 1, 0], [1, 0, 0], [0, 1, 1]]
    assert confused_pairs(counts, ("a", "b", "c")) == [
        {"classes": ["a", "b"], "count": 2},
        {"classes": ["b", "c"], "count": 1},
    ]


def test_probabilities_of_large_logits():
    found = calibration.probabilities(np.array([[1000.0, 1000.0 + np.log(3)]]))
    np.testing.assert_allclose(found, [[0.25, 0.75]])


GREY = np.full((8, 32, 32, 3), 128, np.uint8)
SCENE = (
    np.clip(
        128
        + 90 * np.sin(np.arange(32) / 3)[:, None, None] * np.cos(np.arange(32) / 4)[None, :, None]
        + np.array([-30, 0, 30]),
        0,
        255,
    )
    .astype(np.uint8)[None]
    .repeat(4, axis=0)
)


def changed(name, severity, images):
    return corrupt(images, name, severity, seed=0) / 255


@pytest.mark.parametrize("severity", [1, 5])
def test_noise_has_its_published_size(severity):
    grey = 128 / 255
    scale = {1: 0.04, 5: 0.10}[severity]
    assert changed("gaussian_noise", severity, GREY).std() == pytest.approx(scale, rel=0.03)
    photons = {1: 500, 5: 50}[severity]
    shot = changed("shot_noise", severity, GREY)
    assert shot.std() == pytest.approx(np.sqrt(grey / photons), rel=0.03)
    share = {1: 0.01, 5: 0.07}[severity]
    impulse = corrupt(GREY, "impulse_noise", severity, seed=0)
    assert (impulse != 128).mean() == pytest.approx(share, rel=0.1)
    assert set(np.unique(impulse)) == {0, 128, 255}


def test_contrast_and_brightness_by_arithmetic():
    scene = SCENE / 255
    mean = scene.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(
        changed("contrast", 3, SCENE), (scene - mean) * 0.4 + mean, atol=1 / 255
    )
    dull = SCENE[:, :, :16] // 2
    brighter = changed("brightness", 2, dull)
    np.testing.assert_allclose(
        brighter.max(axis=-1), np.minimum(dull.max(axis=-1) / 255 + 0.1, 1), atol=1 / 255
    )
    shares = [x / x.max(axis=-1, keepdims=True) for x in (dull / 255, brighter)]
    np.testing.assert_allclose(*shares, atol=0.03)


def test_pixelate_means_boxes():
    small = np.zeros((1, 32, 32, 1), np.uint8)
    small[:, :, 16:] = 200
    found = corrupt(small, "pixelate", 5, seed=0)
    assert len(np.unique(found[0, 0, :, 0])) <= int(32 * 0.65)
    assert found.mean() == pytest.approx(small.mean(), rel=0.05)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_a_pure_function_that_grows_with_severity(name):
    first = corrupt(SCENE, name, 1, seed=0)
    assert first.shape == SCENE.shape and first.dtype == np.uint8
    assert (first == corrupt(SCENE, name, 1, seed=0)).all()
    mild, strong = (
        np.abs(corrupt(SCENE, name, severity, seed=0).astype(float) - SCENE).mean()
        for severity in (1, 5)
    )
    # Elastic images are published with the widest affine map at severity 1, which is all it has.
    assert strong > mild or name == "elastic_transform"
    # The mildest defocus is published with a disk of one pixel; the blur at its edge remains.
    assert mild > 0 or name in ("defocus_blur", "glass_blur")


def test_there_are_the_fifteen_and_no_others():
    assert len(CORRUPTIONS) == 15
    assert all(len(row.constants) == 5 for row in CORRUPTIONS.values())
    with pytest.raises(UserError, match="did you mean 'frost'"):
        corrupt(GREY, "forst", 1, seed=0)
    with pytest.raises(UserError, match="must be 1, 2, 3, 4 or 5"):
        corrupt(GREY, "fog", 0, seed=0)


def test_motion_smears_along_one_side():
    """A point becomes a line that starts at it, its weights half a Gaussian."""
    point = np.zeros((1, 33, 33, 1), np.uint8)
    point[0, 16, 16] = 255
    found = changed("motion_blur", 1, point)[0, :, :, 0]
    weights = np.exp(-(np.arange(13) ** 2) / 2)
    assert found[16, 16] == pytest.approx(weights[0] / weights.sum(), abs=1 / 255)
    assert (found > 0).sum() <= 5 and found[:, 17:].sum() == 0
