"""Writes crops.npz, what torchvision's evaluation transforms give of small images.

    python tests/golden/write_crops.py

needs torchvision (requirements-peers.txt). The test makes the same images by calling `images`.
"""

from pathlib import Path

import numpy as np

SIZES = ((50, 37), (33, 61), (20, 20), (16, 90))  # height, width
CROP, RATIO = 16, 0.8


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
    import torch
    from PIL import Image
    from torchvision.transforms import InterpolationMode, v2

    crops = {}
    for name in ("bilinear", "bicubic"):
        kind = InterpolationMode[name.upper()]
        transform = v2.Compose([v2.Resize(round(CROP / RATIO), kind, antialias=True),
                                v2.CenterCrop(CROP)])  # fmt: skip
        for number, image in enumerate(images()):
            crops[f"{name}_pillow_{number}"] = np.asarray(transform(Image.fromarray(image)))
            tensor = transform(torch.from_numpy(image).permute(2, 0, 1))
            crops[f"{name}_tensor_{number}"] = tensor.permute(1, 2, 0).numpy()
    np.savez_compressed(Path(__file__).parent / "crops.npz", **crops)


if __name__ == "__main__":
    main()
