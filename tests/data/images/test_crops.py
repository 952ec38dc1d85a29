import io
import math
from pathlib import Path

import numpy as np
import pytest
from golden.write_crops import CROPS, SHORT, images
from PIL import Image

from configs import imagenet_v2
from resnet_jax.data.images.crops import RandomCrop
from resnet_jax.data.images.encoded import decode
from resnet_jax.data.images.views import views
from resnet_jax.tables import UserError

GOLDEN = Path(__file__).parents[2] / "golden" / "crops.npz"


def jpeg(image, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "jpeg", **{"quality": 95, "subsampling": 0, **options})
    return file.getvalue()


def smooth(height, width):
    """A slope in each direction: a pixel tells where it stands."""
    rows, columns = np.mgrid[:height, :width]
    red, green = 255 * rows / (height - 1), 255 * columns / (width - 1)
    return np.stack([red, green, np.full_like(red, 128)], -1).round().astype(np.uint8)


def by_hand(image, short, size, kind):
    """torchvision's Resize and CenterCrop, from the arithmetic that its functional.py states."""
    height, width = image.shape[:2]
    if height < width:
        height, width = short, int(short * width / height)
    else:
        height, width = int(short * height / width), short
    whole = Image.fromarray(image).resize((width, height), kind)
    top, left = round((height - size) / 2), round((width - size) / 2)
    return np.asarray(whole.crop((left, top, left + size, top + size)))


class TestCentreCrop:
    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    @pytest.mark.parametrize("number", range(len(images())))
    @pytest.mark.parametrize("size", CROPS)
    def test_every_value_is_that_of_torchvision(self, interpolation, number, size):
        chosen = views(size, scales=(SHORT,), interpolation=interpolation)
        with np.load(GOLDEN) as golden:
            expected = golden[f"{interpolation}_{size}_{number}"]
        advice = "evaluation no longer sees what torchvision does: see data/images/crops.py"
        np.testing.assert_array_equal(chosen(images()[number]), expected[None], advice)

    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    @pytest.mark.parametrize(
        "height, width", [(375, 501), (333, 223), (97, 613), (500, 500), (31, 45)]
    )
    def test_the_whole_is_resized_and_then_cropped(self, interpolation, height, width):
        image = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
        kind = Image.Resampling[interpolation.upper()]
        for size, ratio, short in ((224, 0.875, 256), (224, 0.95, 235), (49, 0.875, 56)):
            found = views(size, ratio, interpolation=interpolation)(image)
            np.testing.assert_array_equal(found, by_hand(image, short, size, kind)[None])

    def test_the_short_side_is_rounded_down(self):
        """timm/data/transforms_factory.py: floor(img_size / crop_pct); FixRes: int(256 / 224 s)."""
        found = [views(*options).scales for options in ((224, 0.95), (384, 0.875), (288, 0.95))]
        assert found == [(235,), (438,), (303,)]
        # torchvision's second recipe says 232 and not a ratio.
        assert imagenet_v2.get_config().data.crop_ratio * 232 == 224
        assert views(224, 224 / 232).scales == (232,)

    def test_what_is_a_crop_already_is_not_resized(self):
        """ImageNet-C's files have 224 pixels; smaller images get the size of the crop."""
        chosen = views(16, scales=(None,))
        image = images()[0]
        np.testing.assert_array_equal(chosen(image)[0], image[17:33, 10:26])
        small = chosen(image[:15, :12])
        np.testing.assert_array_equal(small, views(16, 1.0)(image[:15, :12]))

    def test_ratio_of_one_sees_the_whole_short_side(self):
        crop = views(40, 1.0)(smooth(40, 80))[0]
        np.testing.assert_array_equal(crop, smooth(40, 80)[:, 20:60])

    def test_unknown_interpolation(self):
        with pytest.raises(UserError, match="valid: bilinear, bicubic"):
            views(8, interpolation="cubic")


class TestRandomCrop:
    @pytest.mark.parametrize("height, width", [(300, 400), (90, 31), (64, 64)])
    def test_boxes_have_the_area_and_aspect_asked_for_and_lie_inside(self, height, width):
        draw = np.random.default_rng(0)
        boxes = np.array([RandomCrop().box(draw, height, width) for _ in range(500)])
        top, left, high, wide = boxes.T
        assert (top >= 0).all() and (top + high <= height).all()
        assert (left >= 0).all() and (left + wide <= width).all()
        # Sides are whole pixels.
        slack = 1 / math.sqrt(0.08 * height * width)
        share = high * wide / (height * width)
        assert 0.08 * (1 - slack) ** 2 < share.min() < 0.1
        assert (wide / high).min() > 0.75 * (1 - slack) / (1 + slack)
        fits = high < height  # else the centre was taken
        assert (wide / high)[fits].max() < 4 / 3 * (1 + slack) / (1 - slack)

    def test_area_is_drawn_evenly(self):
        """No aspect is refused here, so nothing bends the distribution."""
        crop, draw = RandomCrop((0.2, 0.6), (1.0, 1.0)), np.random.default_rng(0)
        boxes = np.array([crop.box(draw, 200, 200) for _ in range(2000)])
        share = boxes[:, 2] * boxes[:, 3] / 200**2
        np.testing.assert_allclose(
            np.quantile(share, [0.25, 0.5, 0.75]), [0.3, 0.4, 0.5], atol=0.02
        )

    def test_image_that_no_aspect_fits_gives_its_centre(self):
        box = RandomCrop((0.9, 1.0)).box(np.random.default_rng(0), 100, 1000)
        assert box == (0, (1000 - 133) // 2, 100, 133)

    def test_crop_shows_what_the_box_says(self):
        crop = RandomCrop((0.3, 0.3))
        encoded = jpeg(smooth(200, 300))
        pixels = crop(np.random.default_rng(5), encoded, 32).astype(float)
        top, left, high, wide = crop.box(np.random.default_rng(5), 200, 300)
        rows = (np.arange(32) + 0.5) / 32 * high + top - 0.5
        columns = (np.arange(32) + 0.5) / 32 * wide + left - 0.5
        # The image was decoded to a smaller size, and the crop starts at a whole pixel there.
        np.testing.assert_allclose(pixels[:, :, 0].mean(1), 255 * rows / 199, atol=3)
        np.testing.assert_allclose(pixels[:, :, 1].mean(0), 255 * columns / 299, atol=3)

    def test_decodes_no_more_than_the_crop_needs(self):
        encoded = jpeg(smooth(400, 800))
        assert decode(encoded, (100, 200)).shape == (100, 200, 3)
        assert decode(encoded, (101, 200)).shape[0] >= 101
        assert decode(encoded, (900, 900)).shape == (400, 800, 3)

    @pytest.mark.parametrize("height, width", [(1, 1), (1, 50), (3, 2)])
    def test_smallest_images(self, height, width):
        image = np.full((height, width, 3), 77, np.uint8)
        crop = RandomCrop()(np.random.default_rng(0), jpeg(image), 8)
        assert crop.shape == (8, 8, 3) and np.abs(crop.astype(int) - 77).max() <= 2
        assert views(8)(image).shape == (1, 8, 8, 3)
