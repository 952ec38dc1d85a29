"""Writes policies.npz: strengths and pixels of torchvision's augmentation policies.

    python tests/golden/write_policies.py

needs torchvision (requirements-peers.txt). The test makes the same image by calling `picture`.
"""

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (24, 20)  # width, height
STRENGTHS = {"ShearX": 0.3, "ShearY": -0.25, "TranslateX": 5.7, "TranslateY": -3.2, "Rotate": 25.0,
             "Brightness": 0.6, "Color": -0.7, "Contrast": 0.8, "Sharpness": 0.9, "Posterize": 3,
             "Solarize": 100.0, "AutoContrast": 0.0, "Equalize": 0.0, "Invert": 0.0}  # fmt: skip
TURNS = 0.3


def picture() -> Image.Image:
    draw = np.random.default_rng(0)
    coarse = Image.fromarray(draw.integers(20, 220, (5, 6, 3), np.uint8))
    return coarse.resize(SIZE, Image.Resampling.BICUBIC)


def main() -> None:
    import torch
    from torchvision.transforms import (
        AutoAugment,
        AutoAugmentPolicy,
        InterpolationMode,
        RandAugment,
        TrivialAugmentWide,
        autoaugment,
    )
    from torchvision.transforms import functional as F

    found = {}
    for name, strength in STRENGTHS.items():
        changed = autoaugment._apply_op(picture(), name, strength, InterpolationMode.BILINEAR, None)
        found[f"pixels_{name}"] = np.asarray(changed)
    found["pixels_hue"] = np.asarray(F.adjust_hue(picture(), TURNS))
    auto = AutoAugment(AutoAugmentPolicy.IMAGENET)
    spaces = {
        "auto": auto._augmentation_space(10, SIZE[::-1]),
        "rand": RandAugment()._augmentation_space(31, SIZE[::-1]),
        "wide": TrivialAugmentWide()._augmentation_space(31),
    }
    for space, operations in spaces.items():
        for name, (strengths, signed) in operations.items():
            values = torch.atleast_1d(strengths).double().numpy()
            found[f"{space}_{name}_{'signed' if signed else 'plain'}"] = values
    rows = [f"{name} {probability} {level or 0}" for pair in auto.policies
            for name, probability, level in pair]  # fmt: skip
    found["policies"] = np.array(rows)
    np.savez_compressed(Path(__file__).parent / "policies.npz", **found)


if __name__ == "__main__":
    main()
