"""Files that are no pictures, or monstrous ones, and names that are no text: one sentence each."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
import zoo
from PIL import Image

from resnet_jax.data.images.crops import RandomCrop
from resnet_jax.data.images.encoded import UnreadableImage, decode, size_of
from resnet_jax.data.images.pictures import UnreadablePicture, picture_files, read_picture
from resnet_jax.data.images.views import views
from resnet_jax.tables import UserError

SMALL = views(8, crop_ratio=1.0)
SHAPE = (8, 8, 3)
WHOLE = zoo.saved(zoo.COLOUR, "PNG")


def chunk(kind: bytes, content: bytes) -> bytes:
    checked = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checked)


def with_text(*chunks: bytes) -> bytes:
    """A PNG with these chunks after its header."""
    return WHOLE[:33] + b"".join(chunks) + WHOLE[33:]


def png_bomb(width: int, height: int) -> bytes:
    """A few bytes that claim so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    return WHOLE[:8] + body


def jpeg_bomb(height: int, width: int) -> bytes:
    content = zoo.saved(zoo.COLOUR, "JPEG")
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">2H", height, width) + content[at + 4 :]


def packed(size: int) -> bytes:
    return chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * size))


UNREADABLE = {
    "bomb": (png_bomb(30_000, 30_000), "exceeds limit"),
    "largest": (png_bomb(2**31 - 1, 2**31 - 1), "exceeds limit"),
    "warned of": (png_bomb(11_000, 11_000), "truncated"),
    "jpeg bomb": (jpeg_bomb(65_500, 65_500), "65500 x 65500 pixels, more than 178,956,970"),
    "text bomb": (with_text(packed(20_000_000)), "too large"),
    "texts": (with_text(*[packed(900_000)] * 80), "text chunks"),
    "vector": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no known kind"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(40), "no known kind"),
    "archive": (b"PK\x03\x04" + bytes(40), "no known kind"),
    "no size": (png_bomb(0, 5), "no known kind"),
    "dds": (b"DDS " + struct.pack("<I", 124) + bytes(68) + struct.pack("<2I", 32, 8) + bytes(44),
            "pixel format"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("piped", [False, True])
def test_what_is_no_picture_is_one_sentence(tmp_path, name, piped):
    content, said = UNREADABLE[name]
    path = tmp_path / "odd.png"
    path.write_bytes(content)
    # What has no byte that is zero may be a list of paths.
    arguments = ["-"] if piped and b"\0" in content else [str(path)]
    ((shown, file),) = picture_files(arguments, io.BytesIO(content))
    with pytest.raises(UnreadablePicture, match=said) as error:
        read_picture(file, SMALL, SHAPE, name=shown)
    assert shown in str(error.value) and "\n" not in str(error.value)


def test_megabytes_of_text_do_not_hinder():
    content = with_text(chunk(b"tEXt", b"Comment\0" + b"x" * 5_000_000), packed(1_000_000))
    np.testing.assert_array_equal(decode(content), zoo.COLOUR)


def test_a_jpeg_that_claims_too_many_pixels_is_no_training_image():
    with pytest.raises(UnreadableImage, match="more than"):
        RandomCrop()(np.random.default_rng(0), jpeg_bomb(65_500, 65_500), 8)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3_000), (30_000, 1)])
def test_lines_of_pixels_are_pictures(shape):
    content = zoo.saved(np.full((*shape, 3), 7, np.uint8), "PNG")
    assert size_of(content) == shape
    assert (read_picture(io.BytesIO(content), SMALL, SHAPE) == 7).all()


def test_a_line_that_resizing_would_blow_up_is_refused():
    content = zoo.saved(np.zeros((1, 65_000, 3), np.uint8), "PNG")
    with pytest.raises(UnreadablePicture, match="224 x 14560000 once its short side is resized"):
        read_picture(io.BytesIO(content), views(224, crop_ratio=1.0), (224, 224, 3))


def test_damaged_exif_turns_nothing():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = zoo.saved(zoo.COLOUR, "JPEG", exif=exif)
    at = content.index(b"Exif") + 10
    damaged = content[:at] + bytes(20) + content[at + 20 :]
    found = read_picture(io.BytesIO(damaged), SMALL, SHAPE, upright=True)
    np.testing.assert_array_equal(found, SMALL(decode(content)))


NAMES = [b"\xff\xfe.png", b"a" * 245 + b".png", b"new\nline.png", "\u202e.png".encode(), b"..png"]


@pytest.mark.parametrize("name", NAMES)
def test_files_of_any_name_are_found_in_their_folder(tmp_path, name):
    path = os.path.join(os.fsencode(tmp_path), name)
    try:
        with open(path, "wb") as file:
            file.write(WHOLE)
    except OSError:
        pytest.skip("this file system takes no such name")
    (tmp_path / "logo.png").mkdir()
    ((shown, found),) = picture_files([str(tmp_path)], io.BytesIO())
    assert os.fsencode(shown) == path
    assert read_picture(found, SMALL, SHAPE).shape == (1, *SHAPE)
    if b"\n" not in name:
        ((shown, _),) = picture_files(["-"], io.BytesIO(path + b"\n"))
        assert os.fsencode(shown) == path


def test_a_link_to_nothing_is_named(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    ((_, file),) = picture_files([str(tmp_path)], io.BytesIO())
    with pytest.raises(UserError, match=r"a.png can't be read as a picture \(No such file"):
        read_picture(file, SMALL, SHAPE)
