import io

import numpy as np
import pytest
from PIL import Image

from resnet_jax.data.images.encoded import UnreadableImage, decode, size_of

COLOUR = np.kron(np.random.default_rng(0).integers(0, 256, (3, 4, 3)), np.ones((8, 8, 1))).astype(
    np.uint8
)


def content(image=COLOUR, kind="jpeg", mode="RGB", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).convert(mode).save(file, kind, **options)
    return file.getvalue()


def pillow(encoded) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))


@pytest.mark.parametrize(
    "encoded",
    [
        content(quality=90),
        content(quality=50, subsampling=2),
        content(progressive=True),
        content(mode="L"),
        content(mode="CMYK"),
        content(kind="png"),
        content(kind="png", mode="P"),
        content(kind="gif"),
        content(kind="webp", lossless=True),
        content(np.full((1, 1, 3), 9, np.uint8)),
    ],
    ids=[
        "jpeg",
        "subsampled",
        "progressive",
        "grey",
        "cmyk",
        "png",
        "palette",
        "gif",
        "webp",
        "1x1",
    ],
)
def test_pixels_are_those_of_pillow(encoded):
    """Which is what torchvision's folders are read with."""
    image = decode(encoded)
    assert image.dtype == np.uint8
    # Another build of libjpeg-turbo may round otherwise.
    np.testing.assert_allclose(image.astype(int), pillow(encoded), atol=1)
    assert size_of(encoded) == image.shape[:2]


def test_rotation_in_exif_is_not_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    encoded = content(exif=exif.tobytes())
    assert decode(encoded).shape == COLOUR.shape
    np.testing.assert_array_equal(decode(encoded), decode(content()))


def test_warning_of_libjpeg_that_leaves_pixels_whole():
    """Bytes between two segments: strict decoders refuse them, and ImageNet has such files."""
    encoded = content()
    padded = encoded[:20] + b"\x00\x00\x00" + encoded[20:]
    np.testing.assert_allclose(decode(padded).astype(int), decode(encoded), atol=1)


@pytest.mark.parametrize(
    "encoded",
    [content()[:-300], content()[:30], content(kind="png")[:-60], b"", b"no image", b"\xff\xd8"],
    ids=["truncated", "header", "truncated png", "empty", "text", "two bytes"],
)
def test_damaged_content_is_unreadable(encoded):
    with pytest.raises(UnreadableImage):
        decode(encoded)
