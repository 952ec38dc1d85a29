"""Rows cut out of a JPEG have the pixels that they have in the whole one."""

import io

import numpy as np
import pytest
from PIL import Image

from resnet_jax.data.crops import RandomCrop
from resnet_jax.data.encoded import decode
from resnet_jax.data.jpeg_rows import rows_of

HEIGHT, WIDTH = 203, 141


def jpeg(kind: str = "RGB", **options) -> bytes:
    draw = np.random.default_rng(0)
    small = Image.fromarray(draw.integers(0, 256, (HEIGHT // 5, WIDTH // 5, 3), np.uint8))
    return saved(small.resize((WIDTH, HEIGHT)).convert(kind), **options)


def saved(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "jpeg", quality=90, **options)
    return file.getvalue()


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("colours", ["4:4:4", "4:2:2", "4:2:0", "grey"])
def test_pixels_are_those_of_the_whole(colours, every):
    options = {"kind": "L"} if colours == "grey" else {"subsampling": colours}
    encoded = jpeg(restart_marker_rows=every, **options)
    whole, draw = decode(encoded), np.random.default_rng(1)
    shorter = 0
    for _ in range(40):
        top, bottom = sorted(draw.choice(HEIGHT + 1, 2, replace=False).tolist())
        rows = rows_of(encoded, HEIGHT, top, bottom)
        part = decode(rows.encoded)
        assert rows.start <= top and bottom <= rows.stop and len(part) == rows.stop - rows.start
        np.testing.assert_array_equal(
            part[top - rows.start : bottom - rows.start], whole[top:bottom]
        )
        shorter += len(rows.encoded) < 0.7 * len(encoded)
    assert shorter > 10


@pytest.mark.parametrize(
    "options",
    [{}, {"restart_marker_blocks": 7}, {"restart_marker_rows": 1, "progressive": True}],
    ids=["no markers", "markers within rows", "progressive"],
)
def test_what_can_not_be_cut_is_left_whole(options):
    encoded = jpeg(**options)
    assert rows_of(encoded, HEIGHT, 50, 60) == (encoded, 0, HEIGHT)


def test_what_is_cut_off_is_left_whole_for_the_decoder_to_complain_of():
    encoded = jpeg(restart_marker_rows=1)[:1_000]
    assert rows_of(encoded, HEIGHT, 150, 160) == (encoded, 0, HEIGHT)


@pytest.mark.parametrize("size, close", [(200, 0), (48, 8), (20, 8)])
def test_a_crop_does_not_depend_on_the_markers(size, close):
    rows, columns = np.mgrid[:400, :300] * 255 // 400
    slope = Image.fromarray(np.stack([rows, columns, rows], -1).astype(np.uint8))
    for seed in range(20):
        found, expected = (
            RandomCrop()(np.random.default_rng(seed), saved(slope, **options), size).astype(int)
            for options in ({}, {"restart_marker_rows": 1})
        )
        # Decoded to half its size or less, a cut begins and ends at most a pixel elsewhere.
        assert np.abs(found - expected).max() <= close
