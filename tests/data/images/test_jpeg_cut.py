"""A part of a JPEG has the pixels that it has in the whole one, however little of it is decoded."""

import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from resnet_jax.data.images import encoded as decoding
from resnet_jax.data.images.crops import Box, RandomCrop
from resnet_jax.data.images.encoded import UnreadableImage, decode, decode_part
from resnet_jax.data.images.jpeg_cut import NEIGHBOURS, SIDE, cut, with_index
from resnet_jax.data.images.jpeg_region import decode_region

HEIGHT, WIDTH = 203, 141
DIVIDED = {"subsampling": "4:2:0", "restart_marker_blocks": 1}


def picture(kind: str = "RGB") -> Image.Image:
    draw = np.random.default_rng(0)
    small = Image.fromarray(draw.integers(0, 256, (HEIGHT // 5, WIDTH // 5, 3), np.uint8))
    return small.resize((WIDTH, HEIGHT)).convert(kind)


def saved(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "jpeg", quality=90, **options)
    return file.getvalue()


def boxes(count: int = 60) -> list[Box]:
    """Of every size and place, those that touch the edges among them."""
    draw, found = np.random.default_rng(1), []
    for number in range(count):
        top, bottom = sorted(draw.choice(HEIGHT + 1, 2, replace=False).tolist())
        left, right = sorted(draw.choice(WIDTH + 1, 2, replace=False).tolist())
        top, left = (0 if number % 5 == 0 else top), (0 if number % 7 == 0 else left)
        bottom, right = (HEIGHT if number % 3 == 0 else bottom), right
        found.append(Box(top, left, bottom - top, right - left))
    return found


def shown(whole: np.ndarray, box: Box) -> np.ndarray:
    return whole[box.top : box.top + box.height, box.left : box.left + box.width]


class TestCut:
    def test_pixels_are_those_of_the_whole(self):
        encoded = with_index(saved(picture(), **DIVIDED))
        whole = decode(encoded)
        for box in boxes():
            piece = cut(encoded, HEIGHT, WIDTH, box)
            pixels = decode(piece.encoded)
            assert pixels.shape == (piece.height, piece.width, 3)
            inside = box._replace(top=box.top - piece.top, left=box.left - piece.left)
            np.testing.assert_array_equal(shown(pixels, inside), shown(whole, box))

    def test_no_more_blocks_than_the_box_needs(self):
        encoded = with_index(saved(picture(), **DIVIDED))
        piece = cut(encoded, HEIGHT, WIDTH, (SIDE + NEIGHBOURS, 3 * SIDE + NEIGHBOURS, 5, 5))
        assert piece[1:] == (SIDE, 3 * SIDE, SIDE, SIDE)
        assert len(piece.encoded) < len(encoded) / 4

    def test_the_index_changes_no_pixel_for_other_readers(self):
        plain = saved(picture(), **DIVIDED)
        np.testing.assert_array_equal(
            np.asarray(Image.open(io.BytesIO(with_index(plain)))),
            np.asarray(Image.open(io.BytesIO(plain))),
        )

    def test_what_has_no_index_is_left_whole(self):
        encoded = saved(picture(), **DIVIDED)
        assert cut(encoded, HEIGHT, WIDTH, (50, 50, 10, 10)) == (encoded, 0, 0, HEIGHT, WIDTH)

    @pytest.mark.parametrize("length", [10, 300, 2_000])
    def test_what_is_cut_off_is_left_whole_for_the_decoder_to_complain_of(self, length):
        encoded = with_index(saved(picture(), **DIVIDED))[:length]
        box = (50, 50, 10, 10)
        assert cut(encoded, HEIGHT, WIDTH, box) == (encoded, 0, 0, HEIGHT, WIDTH)
        with pytest.raises(UnreadableImage):
            decode_part(encoded, HEIGHT, WIDTH, box)

    def test_an_image_of_more_blocks_than_an_index_can_hold_has_none(self):
        encoded = saved(Image.new("RGB", (3_000, 3_000)), **DIVIDED)
        assert with_index(encoded) == encoded

    @pytest.mark.parametrize("size, close", [(200, 0), (48, 8), (20, 8)])
    def test_a_crop_does_not_depend_on_the_index(self, size, close):
        rows, columns = np.mgrid[:400, :300] * 255 // 400
        slope = Image.fromarray(np.stack([rows, columns, rows], -1).astype(np.uint8))
        plain = saved(slope, **DIVIDED)
        for seed in range(20):
            found, expected = (
                RandomCrop()(np.random.default_rng(seed), encoded, size).astype(int)
                for encoded in (plain, with_index(plain))
            )
            # Decoded to half its size or less, a cut begins and ends at most a pixel elsewhere.
            assert np.abs(found - expected).max() <= close


class TestRegion:
    @pytest.mark.parametrize(
        "kind, options",
        [
            ("RGB", {"subsampling": "4:4:4"}),
            ("RGB", {"subsampling": "4:2:2"}),
            ("RGB", {"subsampling": "4:2:0"}),
            ("RGB", {"progressive": True}),
            ("L", {}),
        ],
        ids=["4:4:4", "4:2:2", "4:2:0", "progressive", "grey"],
    )
    def test_pixels_are_those_of_the_whole(self, kind, options):
        pytest.importorskip("nvidia.nvimgcodec")
        encoded = saved(picture(kind), **options)
        whole = decode(encoded)
        for box in boxes():
            np.testing.assert_array_equal(decode_region(encoded, *box), shown(whole, box))

    def test_parts_are_the_same_without_the_library(self, monkeypatch):
        """Inks are not decoded in parts either way."""
        for kind in ("RGB", "CMYK"):
            encoded = saved(picture(kind))
            parts = [decode_part(encoded, HEIGHT, WIDTH, box).copy() for box in boxes(10)]
            with monkeypatch.context() as changed:
                changed.setattr(decoding, "decode_region", lambda *_: None)
                for part, box in zip(parts, boxes(10), strict=True):
                    np.testing.assert_array_equal(part, decode_part(encoded, HEIGHT, WIDTH, box))
                    np.testing.assert_array_equal(part, shown(decode(encoded), box))

    @pytest.mark.parametrize("length", [2, 300, 2_000])
    def test_a_file_that_is_cut_off_has_no_part(self, length):
        encoded = saved(picture())[:length]
        with pytest.raises(UnreadableImage):
            decode_part(encoded, HEIGHT, WIDTH, (0, 0, 5, 5))

    def test_a_rotation_that_exif_asks_for_is_not_applied(self):
        pytest.importorskip("nvidia.nvimgcodec")
        exif = Image.Exif()
        exif[0x0112] = 6
        encoded = saved(picture(), exif=exif)
        part = decode_region(encoded, 10, 20, 90, 100)
        np.testing.assert_array_equal(part, decode(encoded)[10:100, 20:120])

    def test_a_million_images_leave_nothing_in_memory(self):
        """A thousand calls may leave 4 KB; 32 bytes an image are gigabytes in a run on ImageNet."""
        pytest.importorskip("nvidia.nvimgcodec")
        encoded, sizes = saved(picture()), (9, 33, 20)

        def some(rounds: int) -> None:
            for number in range(rounds):
                side = sizes[number % len(sizes)]
                decode_region(encoded, 5, 7, side, side + 1)

        some(10)
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            some(1_000)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert after - before < 4_096
