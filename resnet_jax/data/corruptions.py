"""The fifteen corruptions of CIFAR-10-C at five severities, made here from any small images.

Hendrycks & Dietterich, 'Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations', arXiv 1903.12261; constants as published with the CIFAR-10 set
(hendrycks/robustness, make_cifar_c.py). The published images were made by OpenCV, scikit-image and
ImageMagick; these here by NumPy, SciPy and Pillow, with other random numbers. One differs in kind:
the published frost is laid over from six photographs, and here it is drawn from noise, so that
errors under frost compare between networks here alone.
"""

import io
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from scipy import ndimage

from resnet_jax.tables import UserError, choose

Images = Float[np.ndarray, "batch height width channels"]
Draw = np.random.Generator


def gaussian_noise(x: Images, draw: Draw, scale: float) -> Images:
    """x + N(0, scale^2)."""
    return x + draw.normal(0, scale, x.shape)


def shot_noise(x: Images, draw: Draw, photons: float) -> Images:
    """Poisson noise of so many photons at full brightness."""
    return draw.poisson(x * photons) / photons


def impulse_noise(x: Images, draw: Draw, share: float) -> Images:
    """That share of the values becomes 0 or 1."""
    hit = draw.random(x.shape) < share
    return np.where(hit, draw.random(x.shape) < 0.5, x)


def defocus_blur(x: Images, draw: Draw, radius: float, smoothing: float) -> Images:
    """Convolution with a disk whose edge is blurred by a 3x3 Gaussian."""
    places = np.arange(-8, 9)
    disk = (places[:, None] ** 2 + places**2 <= radius**2).astype(float)
    line = np.exp(-(np.arange(-1, 2) ** 2) / (2 * smoothing**2))
    line /= line.sum()
    kernel = ndimage.convolve(disk / disk.sum(), np.outer(line, line), mode="mirror")
    return ndimage.convolve(x, kernel[None, :, :, None], mode="mirror")


def glass_blur(x: Images, draw: Draw, sigma: float, reach: int, rounds: int) -> Images:
    """Pixels change places with near ones, between two blurs."""
    x = np.floor(_blurred(x, sigma) * 255) / 255
    batch, height, width, _ = x.shape
    everyone = np.arange(batch)
    for _ in range(rounds):
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                down, right = draw.integers(-reach, reach, (2, batch))
                there = (everyone, row + down, column + right)
                here = (everyone, np.full(batch, row), np.full(batch, column))
                x[here], x[there] = x[there], x[here]
    return _blurred(x, sigma)


def motion_blur(x: Images, draw: Draw, radius: int, sigma: float) -> Images:
    """A mean along a line of random direction that starts at the pixel, half a Gaussian wide."""
    return _smeared(x, draw.uniform(-45, 45, len(x)), radius, sigma)


def zoom_blur(x: Images, draw: Draw, furthest: float) -> Images:
    """The mean of the image and its enlargements up to that factor, in steps of 0.01."""
    factors = 1 + 0.01 * np.arange(round((furthest - 1) * 100))
    return (x + sum(_zoomed(x, factor) for factor in factors)) / (len(factors) + 1)


def snow(
    x: Images,
    draw: Draw,
    mean: float,
    scale: float,
    zoom: float,
    threshold: float,
    radius: int,
    sigma: float,
    kept: float,
) -> Images:
    """Streaks of flakes over a paler image."""
    flakes = _zoomed(draw.normal(mean, scale, (*x.shape[:3], 1)), zoom)
    flakes = np.clip(np.where(flakes < threshold, 0, flakes), 0, 1)
    flakes = _smeared(flakes, draw.uniform(-135, -45, len(x)), radius, sigma)
    pale = kept * x + (1 - kept) * np.maximum(x, _grey(x) * 1.5 + 0.5)
    return pale + flakes + np.rot90(flakes, 2, axes=(1, 2))


def frost(x: Images, draw: Draw, kept: float, share: float) -> Images:
    """A sheet of crystals: ridges of fractal noise in place of the published photographs."""
    ridges = 1 - np.abs(2 * _plasma(draw, len(x), x.shape[1:3], 1.6) - 1)
    return kept * x + share * ridges[..., None]


def fog(x: Images, draw: Draw, amount: float, decay: float) -> Images:
    """A plasma fractal is added, and the whole scaled back to the image's own brightest value."""
    brightest = x.max(axis=(1, 2, 3), keepdims=True)
    haze = _plasma(draw, len(x), x.shape[1:3], decay)[..., None]
    return (x + amount * haze) * brightest / (brightest + amount)


def brightness(x: Images, draw: Draw, added: float) -> Images:
    """The value of HSV grows, hue and saturation stay."""
    value = x.max(axis=-1, keepdims=True)
    brighter = np.minimum(value + added, 1)
    return np.where(value > 0, x * brighter / np.maximum(value, 1e-12), brighter)


def contrast(x: Images, draw: Draw, kept: float) -> Images:
    """Differences from each channel's mean shrink."""
    mean = x.mean(axis=(1, 2), keepdims=True)
    return (x - mean) * kept + mean


def elastic_transform(
    x: Images, draw: Draw, amplitude: float, sigma: float, shear: float
) -> Images:
    """A random affine map, then smooth random displacements; lengths are shares of the height."""
    height = x.shape[1]
    return np.stack(
        [
            _displaced(_sheared(image, draw, shear * height), draw, amplitude * height,
                       sigma * height)
            for image in x
        ]
    )  # fmt: skip


def pixelate(x: Images, draw: Draw, share: float) -> Images:
    """Shrunk to that share of its size and back, by means of boxes."""
    height, width = x.shape[1:3]
    small = (int(width * share), int(height * share))

    def change(image: Image.Image) -> Image.Image:
        box = Image.Resampling.BOX
        return image.resize(small, box).resize((width, height), box)

    return _by_pillow(x, change)


def jpeg_compression(x: Images, draw: Draw, quality: int) -> Images:
    """Through JPEG of that quality."""

    def change(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return _by_pillow(x, change)


class Corruption(NamedTuple):
    """A corruption and its constants at severities 1 to 5."""

    function: Callable[..., Images]
    constants: tuple[tuple[Any, ...], ...]


def _row(function: Callable[..., Images], *constants: Any) -> Corruption:
    return Corruption(function, tuple(c if isinstance(c, tuple) else (c,) for c in constants))


CORRUPTIONS: dict[str, Corruption] = {
    row.function.__name__: row
    for row in (
        _row(gaussian_noise, 0.04, 0.06, 0.08, 0.09, 0.10),
        _row(shot_noise, 500, 250, 100, 75, 50),
        _row(impulse_noise, 0.01, 0.02, 0.03, 0.05, 0.07),
        _row(defocus_blur, (0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        _row(glass_blur, (0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        _row(motion_blur, (6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        _row(zoom_blur, 1.06, 1.11, 1.16, 1.21, 1.26),
        _row(
            snow,
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        _row(frost, (1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
        _row(fog, (0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        _row(brightness, 0.05, 0.1, 0.15, 0.2, 0.3),
        _row(contrast, 0.75, 0.5, 0.4, 0.3, 0.15),
        _row(
            elastic_transform,
            (0, 0, 0.08),
            (0.05, 0.2, 0.07),
            (0.08, 0.06, 0.06),
            (0.1, 0.04, 0.05),
            (0.1, 0.03, 0.03),
        ),
        _row(pixelate, 0.95, 0.9, 0.85, 0.75, 0.65),
        _row(jpeg_compression, 80, 65, 58, 50, 40),
    )
}


def corrupt(
    images: UInt8[np.ndarray, "batch height width channels"], name: str, severity: int, seed: int
) -> UInt8[np.ndarray, "batch height width channels"]:
    """Returns the images under a corruption; a pure function of its arguments.

    Raises:
      UserError: no such corruption, or a severity other than 1 to 5.
    """
    row = choose(CORRUPTIONS, name, "corruption")
    if severity not in range(1, 6):
        raise UserError(f"severity {severity} of '{name}' must be 1, 2, 3, 4 or 5")
    draw = np.random.default_rng([seed, *name.encode(), severity])
    changed = row.function(images / 255, draw, *row.constants[severity - 1])
    return (np.clip(changed, 0, 1) * 255 + 1e-6).astype(np.uint8)


def _blurred(x: Images, sigma: float) -> Images:
    return ndimage.gaussian_filter(x, (0, sigma, sigma, 0), mode="nearest")


def _grey(x: Images) -> Images:
    """Luma of ITU-R BT.601, as of a colour television; grey images stay."""
    weights = [0.299, 0.587, 0.114] if x.shape[-1] == 3 else [1.0]
    return (x * np.array(weights)).sum(axis=-1, keepdims=True)


def _smeared(x: Images, degrees: np.ndarray, radius: int, sigma: float) -> Images:
    """Weighted mean of the pixels 0, 1, ... 2 radius away in each image's direction."""
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


def _zoomed(x: Images, factor: float) -> Images:
    """The centre, enlarged by linear interpolation to the old size."""
    height, width = x.shape[1:3]
    crop = [int(np.ceil(side / factor)) for side in (height, width)]
    top, left = (height - crop[0]) // 2, (width - crop[1]) // 2
    centre = x[:, top : top + crop[0], left : left + crop[1]]
    large = ndimage.zoom(centre, (1, factor, factor, 1), order=1)
    # Rounding may leave a pixel too few.
    missing = [max(0, side - got) for side, got in zip((height, width), large.shape[1:3],
                                                      strict=True)]  # fmt: skip
    large = np.pad(large, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
    down, right = (large.shape[1] - height) // 2, (large.shape[2] - width) // 2
    return large[:, down : down + height, right : right + width]


def _plasma(
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
        # Between neighbours of a row or column lie the squares' centres on either side.
        across = (heights + right + squares + np.roll(squares, 1, 1)) / 4 + offsets()
        down = (heights + below + squares + np.roll(squares, 1, 2)) / 4 + offsets()
        finer = np.empty((batch, 2 * count, 2 * count))
        finer[:, ::2, ::2], finer[:, 1::2, 1::2] = heights, squares
        finer[:, ::2, 1::2], finer[:, 1::2, ::2] = across, down
        heights, spread = finer, spread / decay**2
    low, high = (f(heights, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
    return ((heights - low) / np.maximum(high - low, 1e-12))[:, : shape[0], : shape[1]]


def _sheared(image: np.ndarray, draw: Draw, reach: float) -> np.ndarray:
    """The affine map that moves three points around the centre by up to `reach` pixels."""
    height, width = image.shape[:2]
    centre = np.array([height, width]) // 2
    arm = min(height, width) // 3
    old = centre + arm * np.array([[1, 1], [1, -1], [-1, -1]])
    new = old + draw.uniform(-reach, reach, old.shape)
    # Where each position of the result comes from: p -> p @ matrix + offset.
    solved = np.linalg.lstsq(np.c_[new, np.ones(3)], old, rcond=None)[0]
    return np.stack(
        [
            ndimage.affine_transform(channel, solved[:2].T, solved[2], order=1, mode="mirror")
            for channel in np.moveaxis(image, -1, 0)
        ],
        axis=-1,
    )


def _displaced(image: np.ndarray, draw: Draw, amplitude: float, sigma: float) -> np.ndarray:
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


def _by_pillow(x: Images, change: Callable[[Image.Image], Image.Image]) -> Images:
    def changed(image: np.ndarray) -> np.ndarray:
        squeezed = image[..., 0] if image.shape[-1] == 1 else image
        return np.asarray(change(Image.fromarray(squeezed))).reshape(image.shape)

    return np.stack([changed(image) for image in np.rint(x * 255).astype(np.uint8)]) / 255
