"""Some rows of a JPEG as a JPEG of its own, without decoding any.

Entropy-coded data can be read from their beginning or from a restart marker only (ITU-T T.81, annex
B.2). Where these stand at the ends of rows of blocks, as in what `prepare` writes, a crop is
decoded from its own rows alone. Worker processes import this module.
"""

from __future__ import annotations

from typing import NamedTuple

SEQUENTIAL, SCAN, RESTART_INTERVAL, RESTART, END = (0xC0, 0xC1), 0xDA, 0xDD, 0xD0, b"\xff\xd9"
# Colours of half the height are interpolated from the rows beside them.
NEIGHBOURS = 2


class Rows(NamedTuple):
    """A JPEG of some rows of an image.

    Attributes:
      encoded: content of the file.
      start, stop: its rows in the image.
    """

    encoded: bytes
    start: int
    stop: int


class _Layout(NamedTuple):
    """Where things stand in a JPEG whose rows can be told apart.

    Attributes:
      height: of the image; height_at: of its two bytes in the file.
      step: rows of the image between one restart marker and the next.
      data: where the entropy-coded data begin.
    """

    height: int
    height_at: int
    step: int
    data: int


def rows_of(encoded: bytes, height: int, top: int, bottom: int) -> Rows:
    """A JPEG that has rows `top` up to `bottom`, with the same pixels as in the whole image.

    It has some more; the whole one is returned where it is not made for being cut.

    Args:
      height: of the image.
    """
    layout = _layout(encoded)
    if layout is None or layout.height != height:
        return Rows(encoded, 0, height)
    first = max(0, top - NEIGHBOURS) // layout.step
    count = -(-height // layout.step)
    last = min(count, -(-(bottom + NEIGHBOURS) // layout.step))
    pieces: list[bytes] = []
    place = layout.data
    for number in range(last):
        # Restart markers count from 0 to 7 and begin again; the last piece has none behind it.
        marker = bytes((0xFF, RESTART + number % 8))
        end = encoded.find(marker, place) if number < count - 1 else encoded.rfind(END)
        if end < place:
            return Rows(encoded, 0, height)
        if number >= first:
            if pieces:
                pieces.append(bytes((0xFF, RESTART + (number - first - 1) % 8)))
            pieces.append(encoded[place:end])
        place = end + 2
    start, stop = first * layout.step, min(height, last * layout.step)
    at = layout.height_at
    head = (encoded[:at], (stop - start).to_bytes(2, "big"), encoded[at + 2 : layout.data])
    return Rows(b"".join((*head, *pieces, END)), start, stop)


def _layout(encoded: bytes) -> _Layout | None:
    """None where restart markers do not stand at the ends of rows."""
    at, interval = 2, 0
    height, height_at, across, block = 0, 0, 0, 0
    while encoded[at : at + 1] == b"\xff" and at + 4 <= len(encoded):
        marker = encoded[at + 1]
        length = int.from_bytes(encoded[at + 2 : at + 4], "big")
        if marker in SEQUENTIAL:
            height_at = at + 5
            height = int.from_bytes(encoded[at + 5 : at + 7], "big")
            width, components = int.from_bytes(encoded[at + 7 : at + 9], "big"), encoded[at + 9]
            samples = [encoded[at + 11 + 3 * n] for n in range(components)]
            # One component alone is not interleaved, whatever its sampling factors say.
            many = components > 1
            block = 8 * max(s & 15 for s in samples) if many else 8
            across = -(-width // (8 * max(s >> 4 for s in samples) if many else 8))
        elif marker == RESTART_INTERVAL:
            interval = int.from_bytes(encoded[at + 4 : at + 6], "big")
        elif marker == SCAN:
            if not (interval and across and height) or interval % across:
                return None
            if encoded[at + 4] != encoded[height_at + 4]:
                # A scan of some components alone.
                return None
            return _Layout(height, height_at, interval // across * block, at + 2 + length)
        at += 2 + length
    return None
