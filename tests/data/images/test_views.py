"""The crops that evaluation averages, by the pixels that they hold."""

import numpy as np
import pytest

from resnet_jax.data.images.views import KINDS, views
from resnet_jax.tables import UserError


def picture(height=40, width=60):
    """Red tells the row of a pixel, green its column."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([4 * rows, 4 * columns, 0 * rows], axis=-1).astype(np.uint8)


def corner(crop):
    """Row and column of a crop's first pixel in the picture, where nothing was resized."""
    return tuple(crop[0, 0, :2] // 4)


def test_the_centre_of_an_image_that_is_not_resized():
    (crop,) = views(20, crop_ratio=0.5)(picture())
    np.testing.assert_array_equal(crop, picture()[10:30, 20:40])


@pytest.mark.parametrize(
    ("size", "ratio", "short"),
    [
        # timm/data/transforms_factory.py rounds down: 'ResNet strikes back', and 0.9 of others.
        (224, 0.95, 235),
        (224, 0.9, 248),
        (160, 0.95, 168),
        # transforms.py of FixRes, and what torchvision names by its two sizes.
        (384, 0.875, 438),
        (224, 224 / 232, 232),
        (224, 0.875, 256),
    ],
)
def test_the_image_that_a_crop_is_cut_from(size, ratio, short):
    assert views(size, crop_ratio=ratio).scales == (short,)


def test_mirrored_adds_the_mirror_image():
    crops = views(20, crop_ratio=0.5, kind="mirrored")(picture())
    assert len(crops) == 2
    np.testing.assert_array_equal(crops[1], crops[0, :, ::-1])


def test_ten_crops_are_centre_and_corners_and_their_mirror_images():
    crops = views(20, crop_ratio=0.5, kind="ten")(picture())
    assert [corner(crop) for crop in crops[:5]] == [(10, 20), (0, 0), (0, 40), (20, 0), (20, 40)]
    np.testing.assert_array_equal(crops[5:], crops[:5, :, :, :][:, :, ::-1])


def test_shifted_crops_lie_one_pixel_along_the_diagonal_and_count_half_as_much():
    chosen = views(20, crop_ratio=0.5, kind="mirrored_shifted")
    crops = chosen(picture())
    assert [corner(crop) for crop in crops[:3]] == [(10, 20), (9, 19), (11, 21)]
    np.testing.assert_array_equal(crops[3:], crops[:3][:, :, ::-1])
    assert chosen.weights == (1 / 4, 1 / 8, 1 / 8) * 2
    two = views(20, scales=(20, 40), kind="mirrored_shifted")
    assert sum(two.weights) == 1 and two.weights[6:9] == (1 / 8, 1 / 16, 1 / 16)


def test_shifted_crops_of_a_whole_image_end_in_its_reflection():
    whole = picture(5, 5)
    crops = views(5, crop_ratio=1.0, kind="mirrored_shifted")(whole)
    before, after = [1, 0, 1, 2, 3], [1, 2, 3, 4, 3]
    np.testing.assert_array_equal(crops[1], whole[before][:, before])
    np.testing.assert_array_equal(crops[2], whole[after][:, after])


@pytest.mark.parametrize("kind", ["centre", "mirrored", "ten"])
def test_other_views_count_the_same(kind):
    assert views(16, crop_ratio=0.8, kind=kind).weights is None


def test_scales_are_short_sides():
    """Twice as large, a pixel is seen in four, and the centre holds half as much."""
    crops = views(20, kind="ten", scales=(40, 80))(picture())
    assert crops.shape == (20, 20, 20, 3)
    of_centre = crops[[0, 10], :, :, 0].astype(int)
    spans = np.ptp(of_centre, axis=(1, 2)) / 4
    assert spans[0] == 19 and 9 <= spans[1] <= 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(40, 60), (61, 33), (20, 20)])
def test_the_shape_is_known_before_an_image_is(kind, shape):
    chosen = views(16, crop_ratio=0.8, kind=kind)
    assert chosen(picture(*shape)).shape == chosen.shape


@pytest.mark.parametrize("options", [{"crop_ratio": 1.2}, {"scales": (64, 31)}, {"scales": ()}])
def test_crops_that_do_not_fit(options):
    with pytest.raises(UserError, match="crops of 32 pixels don't fit"):
        views(32, **options)


def test_unknown_views():
    with pytest.raises(UserError, match=r"'center' \(did you mean 'centre'\?\); valid: centre"):
        views(32, kind="center")
