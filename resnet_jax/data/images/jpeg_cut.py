"""A rectangle of a JPEG as a JPEG of its own, without decoding any.

Entropy-coded data can be read from their beginning or from a restart marker only (ITU-T T.81, annex
B.2). In what `prepare` writes, one stands behind each block of 16x16 pixels, and an application
segment, which other readers pass over, says how many bytes each block has: a crop is decoded from
its own blocks alone. Worker processes import this module.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

SIDE = 16  # pixels of a block, with colours of half the height and width
# Those colours are interpolated from the pixels beside them.
NEIGHBOURS = 2
START, FRAME, SCAN, RESTART, END = b"\xff\xd8", 0xC0, 0xDA, 0xD0, b"\xff\xd9"
# Of the index: its marker and length, its name, where the file has height and width, and where the
# entropy-coded data begin, if the index were not there. Two bytes for each block follow.
_INDEX = struct.Struct("<2s2s8sII")
_MARKER, _NAME, _LENGTH = b"\xff\xef", b"blocks\0\0", np.dtype("<u2")
# As many as an index can have blocks.
_MARKERS = (RESTART + np.arange(1 << 15) % 8).astype(np.uint8)


class Cut(NamedTuple):
    """A JPEG of a part of an image.

    Attributes:
      encoded: content of the file.
      top, left, height, width: the part, in pixels of the image.
    """

    encoded: bytes
    top: int
    left: int
    height: int
    width: int


def cut(encoded: bytes, height: int, width: int, box: tuple[int, int, int, int]) -> Cut:
    """A JPEG that has a part of an image, with the same pixels as in the whole one.

    It has some more; the whole one is returned where it has no index, or not that of this content.

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
    # The marker behind each block is numbered anew, from 0 to 7 again and again.
    places = np.cumsum(lengths) + (head - 1)
    np.frombuffer(content, np.uint8)[places] = _MARKERS[: len(places)]
    content[-2:] = END
    return Cut(bytes(content), top, start, *shown)


def _blocks(length: int) -> int:
    return -(-length // SIDE)


def _covering(start: int, length: int, side: int) -> tuple[int, int]:
    """The first of the blocks that a part of a side needs, and the one after its last."""
    end = min(start + length + NEIGHBOURS, side)
    return max(0, start - NEIGHBOURS) // SIDE, _blocks(end)


def with_index(encoded: bytes) -> bytes:
    """Adds the index; returns a file that is too large for one as it is.

    Args:
      encoded: a baseline JPEG in 4:2:0 with a restart marker behind each block, as Pillow writes
        them.
    """
    size_at, at = 0, len(START)
    while encoded[at + 1] != SCAN:
        if encoded[at + 1] == FRAME:
            size_at = at + 5
        at += 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    data = at + 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    content = np.frombuffer(encoded, np.uint8)
    # A byte FF of the data has 00 behind it, and a marker what is none.
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
