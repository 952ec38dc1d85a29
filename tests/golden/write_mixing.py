"""Writes what torchvision and timm mix, and their losses of it: `python write_mixing.py [folder]`.

Needs torch, torchvision and timm.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from tensors import CLASSES, draw
from timm.data.mixup import Mixup, cutmix_bbox_and_lam, mixup_target
from timm.loss import BinaryCrossEntropy
from torch.nn import functional as F
from torchvision.transforms import v2

SHAPE = (4, 3, 9, 7)
LABELS = torch.tensor([3, 1, 4, 0])
SEEDS = range(40)


def torchvision_mixup() -> dict:
    images = torch.tensor(draw("images", SHAPE))
    transform = v2.MixUp(alpha=1.0, num_classes=CLASSES)
    torch.manual_seed(0)
    share = float(transform._dist.sample(()))
    torch.manual_seed(0)
    mixed, targets = transform(images, LABELS)
    return {"share": share, "images": mixed, "targets": targets}


def torchvision_cutmix() -> dict:
    """Of each seed the box, as area that it leaves, and one whole batch.

    A box there has 2 int(side / 2) pixels, so only those of even sides are kept.
    """
    images = torch.tensor(draw("images", SHAPE))
    height, width = SHAPE[2:]
    transform = v2.CutMix(alpha=1.0, num_classes=CLASSES)
    kept: dict[str, list] = {"shares": [], "centres": [], "left": []}
    for seed in SEEDS:
        torch.manual_seed(seed)
        share = float(transform._dist.sample(()))
        centre = [int(torch.randint(side, size=(1,))) for side in (width, height)][::-1]
        sides = [int(side * np.sqrt(1 - share)) for side in (height, width)]
        if any(side % 2 for side in sides):
            continue
        torch.manual_seed(seed)
        mixed, targets = transform(images, LABELS)
        kept["shares"].append(share)
        kept["centres"].append(centre)
        kept["left"].append(targets.max())
        kept["images"], kept["targets"] = mixed, targets
    return kept


def timm_boxes() -> dict:
    kept: dict[str, list] = {"shares": [], "centres": [], "boxes": [], "left": []}
    for seed in SEEDS:
        rng = np.random.RandomState(seed)
        share = rng.beta(1.0, 1.0)
        np.random.seed(seed)
        centre = [np.random.randint(0, side) for side in SHAPE[2:]]
        np.random.seed(seed)
        box, left = cutmix_bbox_and_lam(SHAPE, share)
        for name, value in zip(kept, (share, centre, box, left), strict=True):
            kept[name].append(value)
    return kept


def timm_pair() -> dict:
    """Two images, each mixed with a share of its own; a flipped pair is a rolled one."""
    images = torch.tensor(draw("images", (2, *SHAPE[1:])))
    mixing = Mixup(0.8, mode="elem", num_classes=CLASSES, label_smoothing=0.1)
    np.random.seed(0)
    shares, _ = mixing._params_per_elem(2)
    np.random.seed(0)
    mixed, targets = mixing(images.clone(), LABELS[:2])
    return {"shares": shares, "images": mixed, "targets": targets}


def losses() -> dict:
    logits = torch.tensor(3 * draw("images.logits", (4, CLASSES)))
    targets = mixup_target(LABELS.flip(0), CLASSES, 0.75, smoothing=0.0)
    each = {"reduction": "none"}
    return {
        "softmax": F.cross_entropy(logits, targets, label_smoothing=0.1, **each),
        "sigmoid": BinaryCrossEntropy(**each)(logits, targets).mean(1),
        "threshold_0.2": BinaryCrossEntropy(target_threshold=0.2, **each)(logits, targets).mean(1),
        "threshold_0.3": BinaryCrossEntropy(target_threshold=0.3, **each)(logits, targets).mean(1),
        "smoothed": BinaryCrossEntropy(smoothing=0.1, **each)(logits, LABELS).mean(1),
        "targets": targets,
    }


WRITTEN = {
    "torchvision_mixup": torchvision_mixup,
    "torchvision_cutmix": torchvision_cutmix,
    "timm_boxes": timm_boxes,
    "timm_pair": timm_pair,
    "losses": losses,
}

if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    arrays = {
        f"{name}.{key}": np.asarray(value).astype(np.float32)
        for name, write in WRITTEN.items()
        for key, value in write().items()
    }
    np.savez_compressed(folder / "mixing.npz", **arrays)
