"""Calibration, confusion and corruptions against arithmetic and the published definitions."""

import numpy as np
import pytest

from resnet_jax.analysis.studies.generalisation import Predictions, confused_pairs
from resnet_jax.data.changes.corruptions import CORRUPTIONS, corrupt
from resnet_jax.tables import UserError
from resnet_jax.training.details import calibration_error


def test_predictions_by_hand():
    """Classes a, b, c: right with 3/4, taken for b with 3/4, right with 2/4."""
    logits = np.log([[6.0, 1, 1], [1, 6, 1], [1, 1, 2]])
    found = Predictions(logits, np.array([0, 0, 2]))
    np.testing.assert_allclose(found.probability[0], [0.75, 0.125, 0.125])
    np.testing.assert_allclose(found.losses, -np.log([0.75, 0.125, 0.5]))
    assert found.confusion.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    # (0.75 + 0.75 - 1) in one interval, (1 - 0.5) in another, over three examples.
    assert calibration_error(found.reliability) == pytest.approx((0.5 + 0.5) / 3)


def test_pairs_are_counted_both_ways():
    counts = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1]])
    assert confused_pairs(counts, ("a", "b", "c")) == [
        {"classes": ["a", "b"], "count": 2},
        {"classes": ["b", "c"], "count": 1},
    ]


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
