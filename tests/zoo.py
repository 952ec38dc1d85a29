"""Odd image files, made here, and the RGB pixels that each of them shows by arithmetic."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

SIDE = 12
DRAW = np.random.default_rng(0)
COLOUR = DRAW.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
GREY = COLOUR[..., 0]
WIDE = DRAW.integers(0, 2**16, (SIDE, SIDE), np.uint16)
INKS = DRAW.integers(0, 256, (SIDE, SIDE, 4), np.uint8)
LEFT = np.tile(np.arange(SIDE) < SIDE // 2, (SIDE, 1))
# Clear on the left, opaque on the right.
ALPHA = np.where(LEFT, 0, 255).astype(np.uint8)
PALETTE = np.array([[10, 20, 30], [200, 100, 50], [0, 255, 7]], np.uint8)
NUMBERS = GREY % 3


def in_three(values: np.ndarray) -> np.ndarray:
    return np.repeat(values.astype(np.uint8)[..., None], 3, -1)


def cleared(pixels: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.where(where[..., None], 255, pixels).astype(np.uint8)


def saved(picture: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(file, kind, **options)
    return file.getvalue()


def wide_png(colours: int, rows: np.ndarray, clear: tuple[int, ...] = ()) -> bytes:
    """A PNG of 16 bits a value, and the colour that is transparent in it."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checked = name + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, colours, 0, 0, 0)
    content = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rows)
    transparency = chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear)) if clear else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + transparency
        + chunk(b"IDAT", zlib.compress(content))
        + chunk(b"IEND", b"")
    )


def tiff(bits: int, content: bytes, *, white_is_zero: bool = False) -> bytes:
    """A grey TIFF without compression, its little end first."""
    start = 8 + 2 + 12 * 9 + 4
    tags = ((256, SIDE), (257, SIDE), (258, bits), (259, 1), (262, 0 if white_is_zero else 1),
            (273, start), (277, 1), (278, SIDE), (279, len(content)))  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + content


def pgm(most: int, values: np.ndarray) -> bytes:
    return f"P5 {SIDE} {SIDE} {most}\n".encode() + values.astype(">u2").tobytes()


def of_palette(**options) -> bytes:
    image = Image.fromarray(NUMBERS)
    image.putpalette(PALETTE.ravel().tolist())
    return saved(image, **options)


def asking_for_a_turn() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(COLOUR, "PNG", exif=exif)


def two_frames() -> bytes:
    images = [Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)]
    return saved(images[0], "WEBP", save_all=True, append_images=images[1:], lossless=True)


# Values of 10 bits that a PGM of 1,023 at most holds, and of 12 bits.
TEN, TWELVE = WIDE % 1_024, WIDE % 4_096
LEFT_COLOUR = np.where(LEFT[..., None], np.array([10_000, 30_000, 65_535]), 0)
_PACKED = bytes.fromhex("".join(f"{value:03x}" for value in TWELVE.ravel()))

# The content of each file, and its pixels.
PICTURES: dict[str, tuple[bytes, np.ndarray]] = {
    "bits": (saved(Image.fromarray(255 * LEFT.astype(np.uint8)).convert("1"), "PNG"),
             in_three(255 * LEFT)),
    "grey": (saved(GREY, "PNG"), in_three(GREY)),
    "grey_16": (wide_png(0, WIDE), in_three(WIDE >> 8)),
    "grey_16_clear": (wide_png(0, np.where(LEFT, 30_000, 9), (30_000,)),
                      cleared(np.zeros_like(COLOUR), LEFT)),
    "grey_16_alpha": (wide_png(4, np.stack([WIDE, 257 * ALPHA.astype(int)], -1)),
                      cleared(in_three(WIDE >> 8), LEFT)),
    "colour_16": (wide_png(2, np.stack([WIDE] * 3, -1)), in_three(WIDE >> 8)),
    "colour_16_clear": (wide_png(2, LEFT_COLOUR, (10_000, 30_000, 65_535)),
                        cleared(np.zeros_like(COLOUR), LEFT)),
    "tiff_16": (saved(WIDE, "TIFF"), in_three(WIDE >> 8)),
    "tiff_16_big": (saved(WIDE.astype(">u2"), "TIFF"), in_three(WIDE >> 8)),
    "tiff_16_white_is_zero": (tiff(16, WIDE.astype("<u2").tobytes(), white_is_zero=True),
                              in_three(255 - (WIDE >> 8))),
    "tiff_12": (tiff(12, _PACKED), in_three(TWELVE >> 4)),
    "pgm_16": (pgm(65_535, WIDE), in_three(WIDE >> 8)),
    "pgm_10": (pgm(1_023, TEN), in_three(np.rint(TEN * (65_535 / 1_023)).astype(int) >> 8)),
    "grey_clear": (saved(np.where(LEFT, 7, 9).astype(np.uint8), "PNG", transparency=7),
                   cleared(np.full_like(COLOUR, 9), LEFT)),
    "grey_alpha": (saved(np.stack([GREY, ALPHA], -1), "PNG"), cleared(in_three(GREY), LEFT)),
    "alpha": (saved(np.dstack([COLOUR, ALPHA]), "PNG"), cleared(COLOUR, LEFT)),
    "half_clear": (saved(np.dstack([COLOUR, np.full_like(GREY, 51)]), "PNG"),
                   np.rint(0.2 * COLOUR + 0.8 * 255).astype(np.uint8)),
    "webp_alpha": (saved(np.dstack([COLOUR, ALPHA]), "WEBP", lossless=True, exact=True),
                   cleared(COLOUR, LEFT)),
    "palette": (of_palette(kind="PNG"), PALETTE[NUMBERS]),
    "palette_clear": (of_palette(kind="PNG", transparency=1),
                      cleared(PALETTE[NUMBERS], NUMBERS == 1)),
    "palette_half_clear": (of_palette(kind="PNG", transparency=b"\xff\x00\x33"),
                           np.rint(np.array([[10, 20, 30], [255] * 3, [204, 255, 205.4]])
                                   )[NUMBERS].astype(np.uint8)),
    "gif_clear": (of_palette(kind="GIF", transparency=1),
                  cleared(PALETTE[NUMBERS], NUMBERS == 1)),
    "inks": (saved(Image.frombytes("CMYK", (SIDE, SIDE), INKS.tobytes()), "TIFF"),
             np.rint((255.0 - INKS[..., :3]) * (255.0 - INKS[..., 3:]) / 255).astype(np.uint8)),
    "exif": (asking_for_a_turn(), COLOUR),
    "frames": (two_frames(), COLOUR),
}  # fmt: skip

# What says nothing of black and white, by Pillow's mode.
WITHOUT_MEANING = {
    "F": saved(WIDE.astype(np.float32), "TIFF"),
    "I": saved(WIDE.astype(np.int32), "TIFF"),
    "LAB": saved(Image.new("LAB", (SIDE, SIDE), (50, 100, 200)), "TIFF"),
}
