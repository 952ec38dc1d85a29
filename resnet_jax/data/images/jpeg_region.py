"""Decodes a part of a JPEG's pixels without the others, where nvImageCodec is installed.

Only its codec of libjpeg-turbo is used, which needs no GPU. It computes the columns of the part
alone, leaves the transforms of the rows above out and stops below the part. Worker processes import
this module.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import UInt8


def decode_region(
    encoded: bytes, top: int, left: int, height: int, width: int
) -> UInt8[np.ndarray, "height width 3"] | None:
    """The same RGB pixels as a decoder of the whole image computes.

    Returns:
      The pixels, which the next call may overwrite. None if nvImageCodec is missing or can't decode
      this file, or if its colours are inks, which nvImageCodec does not round as Pillow does.
    """
    decoder = _decoder()
    return None if decoder is None else decoder(encoded, top, left, height, width)


@cache
def _decoder() -> Callable[..., np.ndarray | None] | None:
    if find_spec("nvidia") is None or (spec := find_spec("nvidia.nvimgcodec")) is None:
        return None
    codecs = _import(Path(str(spec.origin)).parent / "extensions")
    on_cpu = [codecs.Backend(codecs.BackendKind.CPU_ONLY)]
    device = codecs.NVIMGCODEC_DEVICE_CPU_ONLY
    decoder = codecs.Decoder(device_id=device, backends=on_cpu, max_num_cpu_threads=1)
    as_stored = codecs.DecodeParams(apply_exif_orientation=False)
    memory: Any = None
    values = np.empty(0, np.uint8)

    def decode(encoded: bytes, top: int, left: int, height: int, width: int) -> np.ndarray | None:
        nonlocal memory, values
        region = codecs.Region((top, left), (top + height, left + width))
        try:
            image = codecs.CodeStream(encoded)
            if image.num_channels > 3:
                return None
            part = image.get_sub_code_stream(region=region)
            pixels = decoder.decode(part, image=memory, params=as_stored)
        except RuntimeError:
            return None
        if pixels is None:
            return None
        if pixels is not memory or pixels.capacity != len(values):
            values = _values(pixels)
        # New memory for each image would be slower by a fortieth.
        memory = pixels
        return values[: pixels.size].reshape(pixels.shape)

    return decode


def _values(pixels: Any) -> UInt8[np.ndarray, "capacity"]:
    """All of an image's memory, which it keeps.

    The array is used again for as long as the memory is the same, since nvImageCodec 0.9 loses 32
    bytes each time that it makes one.
    """
    address = np.asarray(pixels).ctypes.data
    return np.ctypeslib.as_array((ctypes.c_uint8 * pixels.capacity).from_address(address))


def _import(extensions: Path) -> Any:
    """Imports nvImageCodec with libjpeg-turbo alone.

    It would load all its extensions, of which those for GPUs print that they miss their libraries.
    It takes what lies in the folder that a variable of the environment names, for as long as it is
    imported; what the user sets stands.
    """
    with tempfile.TemporaryDirectory() as folder:
        for path in extensions.glob("libjpeg_turbo_ext*"):
            Path(folder, path.name).symlink_to(path)
        settings = {
            "NVIMGCODEC_EXTENSIONS_PATH": folder,
            # What it can't decode, the caller speaks of.
            "PYNVIMGCODEC_VERBOSITY": "0",
        }
        ours = settings.keys() - os.environ.keys()
        os.environ.update({name: settings[name] for name in ours})
        try:
            from nvidia import nvimgcodec
        finally:
            for name in ours:
                del os.environ[name]
    return nvimgcodec
