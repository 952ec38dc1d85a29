"""The fifteen corruptions of CIFAR-10-C at five severities, for any small images.

Hendrycks & Dietterich, 'Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations', arXiv 1903.12261, with the constants published for CIFAR-10 (hendrycks/robustness,
make_cifar_c.py). The published images were made with OpenCV, scikit-image and ImageMagick; this
module uses NumPy, SciPy and Pillow, and other random numbers. One corruption differs in kind: the
published frost is taken from five photographs (the code names six and draws one of the first five),
and this one is drawn from noise. So errors under frost can be compared only with other errors from
this module.
"""

import io
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from scipy import ndimage

from resnet_jax.data.changes.distortions import (
    blurred,
    by_pillow,
    displaced,
    grey,
    plasma,
    sheared,
    smeared,
    zoomed,
)
from resnet_jax.tables import UserError, choose

Images = Float[np.ndarray, "batch height width channels"]
Draw = np.random.Generator


def gaussian_noise(x: Images, draw: Draw, scale: float) -> Images:
    """Adds noise from N(0, scale^2)."""
    return x + draw.normal(0, scale, x.shape)


def shot_noise(x: Images, draw: Draw, photons: float) -> Images:
    """Draws each pixel from a Poisson distribution; white has `photons` photons on average."""
    return draw.poisson(x * photons) / photons


def impulse_noise(x: Images, draw: Draw, share: float) -> Images:
    """Sets this share of the values to 0 or 1."""
    hit = draw.random(x.shape) < share
    return np.where(hit, draw.random(x.shape) < 0.5, x)


def defocus_blur(x: Images, draw: Draw, radius: float, smoothing: float) -> Images:
    """Convolves with a disk whose edge is blurred by a 3x3 Gaussian."""
    places = np.arange(-8, 9)
    disk = (places[:, None] ** 2 + places**2 <= radius**2).astype(float)
    line = np.exp(-(np.arange(-1, 2) ** 2) / (2 * smoothing**2))
    line /= line.sum()
    kernel = ndimage.convolve(disk / disk.sum(), np.outer(line, line), mode="mirror")
    return ndimage.convolve(x, kernel[None, :, :, None], mode="mirror")


def glass_blur(x: Images, draw: Draw, sigma: float, reach: int, rounds: int) -> Images:
    """Blurs, lets each pixel in turn take the colour of a near one, and blurs again.

    In the paper pixels change places. The published code exchanges two views of one array, so that
    the second assignment reads what the first has written: one pixel is copied over the other.
    """
    x = np.floor(blurred(x, sigma) * 255) / 255
    batch, height, width, _ = x.shape
    everyone = np.arange(batch)
    for _ in range(rounds):
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                down, right = draw.integers(-reach, reach, (2, batch))
                there = (everyone, row + down, column + right)
                x[:, row, column] = x[there]
    return blurred(x, sigma)


def motion_blur(x: Images, draw: Draw, radius: int, sigma: float) -> Images:
    """Averages along a line that starts at each pixel in a random direction, as half a Gaussian."""
    return smeared(x, draw.uniform(-45, 45, len(x)), radius, sigma)


def zoom_blur(x: Images, draw: Draw, furthest: float) -> Images:
    """Averages the image and its enlargements by 1, 1.01, ... up to this factor.

    As in the published code, rounding decides whether the last factor is among them: it is for
    1.06 and 1.11, and not for the others.
    """
    factors = np.arange(1, furthest, 0.01)
    return (x + sum(zoomed(x, factor) for factor in factors)) / (len(factors) + 1)


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
    """Lays streaks of flakes over a paler image."""
    flakes = zoomed(draw.normal(mean, scale, (*x.shape[:3], 1)), zoom)
    flakes = np.clip(np.where(flakes < threshold, 0, flakes), 0, 1)
    flakes = smeared(flakes, draw.uniform(-135, -45, len(x)), radius, sigma)
    pale = kept * x + (1 - kept) * np.maximum(x, grey(x) * 1.5 + 0.5)
    return pale + flakes + np.rot90(flakes, 2, axes=(1, 2))


def frost(x: Images, draw: Draw, kept: float, share: float) -> Images:
    """Lays ridges of fractal noise over the image; the published frost is cut from photographs."""
    ridges = 1 - np.abs(2 * plasma(draw, len(x), x.shape[1:3], 1.6) - 1)
    return kept * x + share * ridges[..., None]


def fog(x: Images, draw: Draw, amount: float, decay: float) -> Images:
    """Adds a plasma fractal, and scales the sum back to the image's own brightest value."""
    brightest = x.max(axis=(1, 2, 3), keepdims=True)
    haze = plasma(draw, len(x), x.shape[1:3], decay)[..., None]
    return (x + amount * haze) * brightest / (brightest + amount)


def brightness(x: Images, draw: Draw, added: float) -> Images:
    """Adds to the value in HSV; hue and saturation stay."""
    value = x.max(axis=-1, keepdims=True)
    brighter = np.minimum(value + added, 1)
    return np.where(value > 0, x * brighter / np.maximum(value, 1e-12), brighter)


def contrast(x: Images, draw: Draw, kept: float) -> Images:
    """Shrinks the differences from each channel's mean."""
    mean = x.mean(axis=(1, 2), keepdims=True)
    return (x - mean) * kept + mean


def elastic_transform(
    x: Images, draw: Draw, amplitude: float, sigma: float, shear: float
) -> Images:
    """Applies a random affine map, then smooth random displacements.

    Lengths are shares of the height.
    """
    height = x.shape[1]
    return np.stack(
        [
            displaced(sheared(image, draw, shear * height), draw, amplitude * height,
                       sigma * height)
            for image in x
        ]
    )  # fmt: skip


def pixelate(x: Images, draw: Draw, share: float) -> Images:
    """Shrinks the image to this share of its size and back, averaging over boxes."""
    height, width = x.shape[1:3]
    small = (int(width * share), int(height * share))

    def change(image: Image.Image) -> Image.Image:
        box = Image.Resampling.BOX
        return image.resize(small, box).resize((width, height), box)

    return by_pillow(x, change)


def jpeg_compression(x: Images, draw: Draw, quality: int) -> Images:
    """Encodes the image as JPEG of this quality, and decodes it."""

    def change(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return by_pillow(x, change)


SEVERITIES = range(1, 6)


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
      UserError: there is no such corruption, or the severity is none of 1 to 5.
    """
    row = choose(CORRUPTIONS, name, "corruption")
    if severity not in SEVERITIES:
        raise UserError(f"severity {severity} of '{name}' must be 1, 2, 3, 4 or 5")
    draw = np.random.default_rng([seed, *name.encode(), severity])
    changed = row.function(images / 255, draw, *row.constants[severity - 1])
    return (np.clip(changed, 0, 1) * 255 + 1e-6).astype(np.uint8)
