"""Lays a map over a picture, and writes pictures as PNG."""

import io

import matplotlib
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image


def png(picture: UInt8[np.ndarray, "height width channels"]) -> bytes:
    """The picture as PNG bytes; a tiny one is enlarged by a whole factor."""
    opened = Image.fromarray(picture.squeeze())
    factor = max(1, 128 // max(opened.size))
    opened = opened.resize((opened.width * factor, opened.height * factor),
                           Image.Resampling.NEAREST)  # fmt: skip
    out = io.BytesIO()
    opened.save(out, "PNG")
    return out.getvalue()


def overlaid(
    picture: UInt8[np.ndarray, "height width channels"], values: Float[np.ndarray, "rows columns"]
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture in grey under the map in colour: violet is its least value, yellow its largest.

    The colours grow in brightness evenly. The map is resized to the picture, by linear
    interpolation.
    """
    height, width = picture.shape[:2]
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) / (high - low) if high > low else np.zeros_like(values)
    resized = Image.fromarray(scaled.astype(np.float32)).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    colours = matplotlib.colormaps["viridis"](np.asarray(resized))[..., :3]
    grey = picture.mean(axis=-1, keepdims=True) / 255
    return ((0.5 * grey + 0.5 * colours) * 255).astype(np.uint8)
