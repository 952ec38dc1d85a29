"""The crops of 'Deep Residual Learning': a random short side, then a random place."""

import io

import numpy as np
import pytest
from PIL import Image

from resnet_jax.data.images.crops import scaled_crop
from resnet_jax.tables import UserError


@pytest.fixture(scope="module")
def encoded():
    """60 x 90 pixels whose red tells the row and whose green tells the column."""
    rows, columns = np.mgrid[:60, :90]
    image = np.stack([4 * rows, 2 * columns, 0 * rows], axis=-1).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def crops(encoded, short_side, count=200):
    transform, draw = scaled_crop(short_side, 20), np.random.default_rng(0)
    return np.stack([transform(draw, encoded, 20) for _ in range(count)]).astype(float)


def test_a_fixed_scale_at_every_place(encoded):
    """At the image's own size a crop spans 20 of its 60 rows and 90 columns, anywhere."""
    found = crops(encoded, (60, 60))
    tops, lefts = found[:, 0, 0, 0] / 4, found[:, 0, 0, 1] / 2
    np.testing.assert_allclose(np.ptp(found[..., 0], axis=(1, 2)) / 4, 19)
    assert (tops.min(), tops.max()) == (0, 40) and (lefts.min(), lefts.max()) == (0, 70)


def test_scales_lie_between_the_two(encoded):
    """A short side of s shows 20 * 60 / s of the image's rows."""
    spans = np.ptp(crops(encoded, (30, 60))[..., 0], axis=(1, 2)) / 4
    assert 17 <= spans.min() < 22 and 35 < spans.max() <= 40


@pytest.mark.parametrize("short_side", [(19, 30), (40, 30), (30,)])
def test_crops_that_do_not_fit(short_side):
    with pytest.raises(UserError, match=r"data\.short_side=.* no less than the 20 pixels"):
        scaled_crop(short_side, 20)
