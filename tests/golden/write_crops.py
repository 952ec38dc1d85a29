"""Writes crops.npz, what torchvision's evaluation transforms give of small images.

    python tests/golden/write_crops.py

needs torchvision (requirements-peers.txt). The test makes the same images by calling `images`.
"""

from pathlib import Path

import numpy as np

# Height and width: odd and even, larger and smaller than what they are resized to.
SIZES = ((50, 37), (33, 61), (20, 20), (16, 90), (101, 67), (19, 23), (300, 21))
# The short side of the resized image, and the side of a crop.
SHORT, CROPS = 21, (16, 15, 21)


def images() -> list[np.ndarray]:
    """Waves under noise: everything that a filter can do differently shows."""
    draw = np.random.default_rng(0)
    made = []
    for height, width in SIZES:
        rows, columns = np.mgrid[:height, :width]
        waves = [np.sin(rows / k + columns / (k + 1)) for k in (2, 3, 5)]
        noise = draw.uniform(-40, 40, (height, width, 3))
        made.append(np.clip(128 + 80 * np.stack(waves, -1) + noise, 0, 255).astype(np.uint8))
    return made


def main() -> None:
    from PIL import Image
    from torchvision.transforms import InterpolationMode, v2

    found = {}
    for name in ("bilinear", "bicubic"):
        kind = InterpolationMode[name.upper()]
        for crop in CROPS:
            transform = v2.Compose([v2.Resize(SHORT, kind, antialias=True), v2.CenterCrop(crop)])
            for number, image in enumerate(images()):
                seen = transform(Image.fromarray(image))
                found[f"{name}_{crop}_{number}"] = np.asarray(seen)
    np.savez_compressed(Path(__file__).parent / "crops.npz", **found)


if __name__ == "__main__":
    main()
