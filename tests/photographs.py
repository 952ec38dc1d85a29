"""Small made-up photographs, in folders as ImageNet has them."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("ant", "bee", "cat")
COLOURS = {"ant": (200, 60, 60), "bee": (60, 200, 60), "cat": (60, 60, 200)}


def write(folder: Path, split: str, *, each: int = 3, seed: int = 0) -> Path:
    """Writes `each` JPEGs of every class, of sizes between 20 and 60 pixels; returns `folder`."""
    draw = np.random.default_rng([seed, *split.encode()])
    for name in CLASSES:
        place = folder / split / name
        place.mkdir(parents=True)
        for number in range(each):
            height, width = draw.integers(20, 60, 2)
            coarse = Image.fromarray(draw.integers(0, 256, (5, 6, 3), np.uint8))
            coarse.resize((width, height), Image.Resampling.BICUBIC).save(
                place / f"{name}_{number}.JPEG", quality=90
            )
    return folder


def write_coloured(folder: Path, *, each: int, seed: int = 0) -> Path:
    """Writes `each` JPEGs of 36 by 36 pixels of every class, whose mean colour tells the class."""
    draw = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = np.clip(draw.normal(colour, 60, (36, 36, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.jpg", quality=90)
    return folder
