"""Cuts a rectangle out of a JPEG, as a JPEG of its own, without decoding anything.

Entropy-coded data can be read only from their beginning or from a restart marker (ITU-T T.81, annex
B.2). The files that `prepare` writes have a marker after each block of 16x16 pixels, and an index
with the number of bytes of each block in an application segment, which other readers skip. So a
crop is decoded from its own blocks alone. Worker processes import this module.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

SIDE = 16  # pixels of a block, with colours of half the height and width
# Colours are interpolated from neighbours, so a cut takes so many more pixels on each side.
NEIGHBOURS = 2
START, FRAME, SCAN, RESTART, END = b"\xff\xd8", 0xC0, 0xDA, 0xD0, b"\xff\xd9"
# The index: its marker and length, its name, and the places of height and width and of the
# entropy-coded data in the file without the index. Two bytes for each block follow.
_INDEX = struct.Struct("<2s2s8sII")
_MARKER, _NAME, _LENGTH = b"\xff\xef", b"blocks\0\0", np.dtype("<u2")
# An index has room for so many blocks.
_MARKERS = (RESTART + np.arange(1 << 15) % 8).astype(np.uint8)


class Cut(NamedTuple):
    """A JPEG of a part of an image.

    Attributes:
      encoded: content of the file.
      top, left, height, width: the part, in pixels of the whole image.
    """

    encoded: bytes
    top: int
    left: int
    height: int
    width: int


def cut(encoded: bytes, height: int, width: int, box: tuple[int, int, int, int]) -> Cut:
    """A JPEG that contains a part of an image, with the same pixels as the whole JPEG.

    It contains some more pixels. The whole JPEG is returned if it has no index, or one that does
    not belong to its content.

    Args:
      height, width: of the image.
      box: top, left, height and width of the part.
    """
    whole = Cut(encoded, 0, 0, height, width)
    down, across = _blocks(height), _blocks(width)
    shift = _INDEX.size + down * across * _LENGTH.itemsize
    if encoded[2:4] != _MARKER or encoded[6:14] != _NAME or len(encoded) < len(START) + shift:
        return whole
    *_, size_at, data = _INDEX.unpack_from(encoded, len(START))
    lengths = np.frombuffer(encoded, _LENGTH, down * across, len(START) + _INDEX.size)
    stops = np.cumsum(lengths) + (data + shift)
    if stops[-1] != len(encoded):
        return whole
    first, last = _covering(box[0], box[2], height)
    left, right = _covering(box[1], box[3], width)
    stops = stops.reshape(down, across)[first:last]
    lengths = lengths.reshape(down, across)[first:last, left:right]
    starts = stops[:, left] - lengths[:, 0]
    top, start = first * SIDE, left * SIDE
    shown = min(height, last * SIDE) - top, min(width, right * SIDE) - start
    size_at += shift
    pieces = [START, encoded[len(START) + shift : size_at], struct.pack(">2H", *shown)]
    pieces.append(encoded[size_at + 4 : data + shift])
    head = sum(map(len, pieces))
    spans = zip(starts.tolist(), stops[:, right - 1].tolist(), strict=True)
    content = bytearray().join([*pieces, *(encoded[begin:end] for begin, end in spans)])
    # The markers after the blocks are numbered from 0 to 7, again and again.
    places = np.cumsum(lengths) + (head - 1)
    np.frombuffer(content, np.uint8)[places] = _MARKERS[: len(places)]
    content[-2:] = END
    return Cut(bytes(content), top, start, *shown)


def _blocks(length: int) -> int:
    return -(-length // SIDE)


def _covering(start: int, length: int, side: int) -> tuple[int, int]:
    """The first block that a part of a side needs, and the block after the last."""
    end = min(start + length + NEIGHBOURS, side)
    return max(0, start - NEIGHBOURS) // SIDE, _blocks(end)


def with_index(encoded: bytes) -> bytes:
    """Adds the index; returns a file with too many blocks for an index unchanged.

    Args:
      encoded: a baseline JPEG in 4:2:0 with a restart marker after each block, as Pillow writes it.
    """
    size_at, at = 0, len(START)
    while encoded[at + 1] != SCAN:
        if encoded[at + 1] == FRAME:
            size_at = at + 5
        at += 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    data = at + 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    content = np.frombuffer(encoded, np.uint8)
    # In the data, a byte FF is followed by 00; in a marker, it is not.
    markers = data + np.flatnonzero((content[data:-1] == 0xFF) & (content[data + 1 :] != 0))
    lengths = np.diff([data, *(markers + 2)])
    height, width = struct.unpack_from(">2H", encoded, size_at)
    assert len(lengths) == _blocks(height) * _blocks(width), "a marker behind each block"
    table = lengths.astype(_LENGTH).tobytes()
    length = _INDEX.size + len(table) - len(_MARKER)
    if length >= 1 << 16:
        return encoded
    index = _INDEX.pack(_MARKER, length.to_bytes(2, "big"), _NAME, size_at, data)
    return START + index + table + encoded[len(START) :]
