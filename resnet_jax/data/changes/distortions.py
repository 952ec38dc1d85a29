"""Blurs, smears, zooms, clouds and bends, from which the corruptions of images are made."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from PIL import Image
from scipy import ndimage

Images = Float[np.ndarray, "batch height width channels"]
Draw = np.random.Generator


def blurred(x: Images, sigma: float) -> Images:
    """Blurs by a Gaussian of this standard deviation in pixels."""
    return ndimage.gaussian_filter(x, (0, sigma, sigma, 0), mode="nearest")


def grey(x: Images) -> Images:
    """The luma of each pixel, by ITU-R BT.601; grey images stay as they are."""
    weights = [0.299, 0.587, 0.114] if x.shape[-1] == 3 else [1.0]
    return (x * np.array(weights)).sum(axis=-1, keepdims=True)


def smeared(x: Images, degrees: np.ndarray, radius: int, sigma: float) -> Images:
    """The weighted mean of the pixels 0, 1, ... 2 radius away, in each image's own direction."""
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    batch, height, width, _ = x.shape
    everyone = np.arange(batch)[:, None, None]
    rows, columns = np.arange(height)[None, :, None], np.arange(width)[None, None, :]
    angles = np.deg2rad(degrees)[:, None, None]
    out = np.zeros_like(x)
    for distance, weight in enumerate(weights):
        down = np.rint(distance * np.sin(angles)).astype(int)
        right = np.rint(distance * np.cos(angles)).astype(int)
        places = (np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, width - 1))
        out += weight * x[everyone, *places]
    return out


def zoomed(x: Images, factor: float) -> Images:
    """The centre of each image, enlarged to the old size by linear interpolation."""
    height, width = x.shape[1:3]
    crop = [int(np.ceil(side / factor)) for side in (height, width)]
    top, left = (height - crop[0]) // 2, (width - crop[1]) // 2
    centre = x[:, top : top + crop[0], left : left + crop[1]]
    large = ndimage.zoom(centre, (1, factor, factor, 1), order=1)
    # Rounding may leave the result a pixel short.
    missing = [max(0, side - got) for side, got in zip((height, width), large.shape[1:3],
                                                      strict=True)]  # fmt: skip
    large = np.pad(large, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
    down, right = (large.shape[1] - height) // 2, (large.shape[2] - width) // 2
    return large[:, down : down + height, right : right + width]


def plasma(
    draw: Draw, batch: int, shape: tuple[int, ...], decay: float
) -> Float[np.ndarray, "batch height width"]:
    """Diamond-square noise on a torus, each octave decay^2 times smaller, scaled to [0, 1].

    The published generator draws offsets in (-w, w), multiplies them by w, and divides w by the
    decay from octave to octave.
    """
    size = 2 ** int(np.ceil(np.log2(max(shape))))
    heights = np.zeros((batch, 1, 1))
    spread = 1.0
    while heights.shape[1] < size:
        count = heights.shape[1]

        def offsets(count: int = count, spread: float = spread) -> np.ndarray:
            return draw.uniform(-spread, spread, (batch, count, count))

        below, right = np.roll(heights, -1, 1), np.roll(heights, -1, 2)
        squares = (heights + below + right + np.roll(below, -1, 2)) / 4 + offsets()
        # Each point between two neighbours has the centres of two squares beside it.
        across = (heights + right + squares + np.roll(squares, 1, 1)) / 4 + offsets()
        down = (heights + below + squares + np.roll(squares, 1, 2)) / 4 + offsets()
        finer = np.empty((batch, 2 * count, 2 * count))
        finer[:, ::2, ::2], finer[:, 1::2, 1::2] = heights, squares
        finer[:, ::2, 1::2], finer[:, 1::2, ::2] = across, down
        heights, spread = finer, spread / decay**2
    low, high = (f(heights, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
    return ((heights - low) / np.maximum(high - low, 1e-12))[:, : shape[0], : shape[1]]


def sheared(image: np.ndarray, draw: Draw, reach: float) -> np.ndarray:
    """Applies an affine map that moves three points around the centre by up to `reach` pixels."""
    height, width = image.shape[:2]
    centre = np.array([height, width]) // 2
    arm = min(height, width) // 3
    old = centre + arm * np.array([[1, 1], [1, -1], [-1, -1]])
    new = old + draw.uniform(-reach, reach, old.shape)
    # Position p of the result is read from position p @ matrix + offset of the image.
    solved = np.linalg.lstsq(np.c_[new, np.ones(3)], old, rcond=None)[0]
    return np.stack(
        [
            ndimage.affine_transform(channel, solved[:2].T, solved[2], order=1, mode="mirror")
            for channel in np.moveaxis(image, -1, 0)
        ],
        axis=-1,
    )


def displaced(image: np.ndarray, draw: Draw, amplitude: float, sigma: float) -> np.ndarray:
    """Moves every pixel by uniform noise that is blurred by sigma and then scaled, in pixels."""
    shape = image.shape[:2]
    down, right = (
        amplitude
        * ndimage.gaussian_filter(draw.uniform(-1, 1, shape), sigma, mode="reflect", truncate=3)
        for _ in range(2)
    )
    rows, columns = np.indices(shape)
    return np.stack(
        [
            ndimage.map_coordinates(channel, [rows + down, columns + right], order=1,
                                    mode="reflect")
            for channel in np.moveaxis(image, -1, 0)
        ],
        axis=-1,
    )  # fmt: skip


def by_pillow(x: Images, change: Callable[[Image.Image], Image.Image]) -> Images:
    """Applies a function of Pillow's images to each image."""

    def changed(image: np.ndarray) -> np.ndarray:
        squeezed = image[..., 0] if image.shape[-1] == 1 else image
        return np.asarray(change(Image.fromarray(squeezed))).reshape(image.shape)

    return np.stack([changed(image) for image in np.rint(x * 255).astype(np.uint8)]) / 255
