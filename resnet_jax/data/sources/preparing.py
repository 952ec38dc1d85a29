"""Writes the smaller copy of an image folder that `prepared` reads."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from resnet_jax.data.images.encoded import EncodedSet, UnreadableImage, decode, size_of
from resnet_jax.data.images.jpeg_cut import START, with_index
from resnet_jax.data.sources.catalogue import Source
from resnet_jax.data.sources.decoded import ImageSet
from resnet_jax.data.sources.prepared import EXAMPLES_A_FILE, FACTS, paths
from resnet_jax.tables import UserError


def copy(
    source: Source,
    splits: Sequence[str],
    folder: Any,
    *,
    max_side: int,
    quality: int,
    workers: int,
    progress: Callable[[], object] = lambda: None,
) -> dict[str, int]:
    """Writes a copy and returns the number of examples in each split.

    Args:
      max_side, quality: see Shrink.
      workers: threads.
      progress: called after each image.

    Raises:
      UserError: an image can't be read, the folder holds a copy already, or the set needs no copy.
    """
    if (folder / FACTS).exists():
        raise UserError(f"{folder} holds a prepared copy already: remove it, or give another one")
    opened = {split: _encoded(source.load(split)) for split in splits}
    counts = {split: write(examples, folder, split, Shrink(max_side, quality),
                           workers=workers, progress=progress)
              for split, examples in opened.items()}  # fmt: skip
    facts = {"class_names": source.class_names, "examples": counts, "max_side": max_side,
             "quality": quality}  # fmt: skip
    # This file is written last, since an unfinished copy must not count as a copy.
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n")
    return counts


def _encoded(examples: ImageSet | EncodedSet) -> EncodedSet:
    if isinstance(examples, ImageSet):
        raise UserError("images of one size are read into memory as they are and need no copy")
    return examples


def write(
    examples: EncodedSet,
    folder: Any,
    split: str,
    shrink: Callable[[bytes], bytes],
    *,
    workers: int,
    progress: Callable[[], object] = lambda: None,
) -> int:
    """Writes the records of a split, in the order of the examples; returns their number.

    Raises:
      UserError: an image can't be read.
    """
    from array_record.python.array_record_module import ArrayRecordWriter

    def record(index: int) -> bytes:
        try:
            encoded, label = examples.read(index)
            return label.to_bytes(4, "little") + shrink(encoded)
        except (OSError, UnreadableImage) as error:
            raise UserError(
                f"{examples.name(index)} can't be read ({error}): put the whole file in its place,"
                " or remove it"
            ) from None

    folder.mkdir(parents=True, exist_ok=True)
    # Decoding, resizing and encoding release the interpreter's lock.
    with ThreadPoolExecutor(workers) as pool:
        for number, path in enumerate(paths(folder, split, len(examples))):
            writer = ArrayRecordWriter(path, "group_size:1")
            start = number * EXAMPLES_A_FILE
            indices = range(start, min(start + EXAMPLES_A_FILE, len(examples)))
            for content in _ahead(pool, record, indices):
                writer.write(content)
                progress()
            writer.close()
    return len(examples)


def _ahead(
    pool: ThreadPoolExecutor, function: Callable[[int], bytes], indices: range
) -> Iterator[bytes]:
    """Computes results ahead and yields them in order; a few hundred are under way at a time."""
    for start in range(0, len(indices), 256):
        yield from pool.map(function, indices[start : start + 256])


class Shrink:
    """Shrinks an image and encodes it as a JPEG that decodes fast.

    A JPEG that is small enough already stays as it is, byte for byte, if the new one would not be
    smaller.

    Args:
      max_side: the most pixels that the long side may have.
      quality: of the JPEG, 1 to 100.
    """

    def __init__(self, max_side: int, quality: int):
        self._max_side, self._quality = max_side, quality

    def __call__(self, encoded: bytes) -> bytes:
        from PIL import Image

        height, width = size_of(encoded)
        image = Image.fromarray(decode(encoded))
        largest = max(height, width)
        if largest > self._max_side:
            scale = self._max_side / largest
            size = max(1, round(width * scale)), max(1, round(height * scale))
            image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3)
        file = io.BytesIO()
        # Colours at half the height and width decode the fastest.
        fast = {"subsampling": "4:2:0", "restart_marker_blocks": 1}
        image.save(file, "jpeg", quality=self._quality, **fast)
        smaller = with_index(file.getvalue())
        kept = largest <= self._max_side and encoded[:2] == START
        return encoded if kept and len(encoded) <= len(smaller) else smaller
