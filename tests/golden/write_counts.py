"""Writes how many parameters the peers' networks have: `python write_counts.py [folder]`.

Needs torch, torchvision and timm. The papers' networks, which neither has, are written out in plain
torch. No memory is taken: parameters are made on the device 'meta'.
"""

import json
import sys
from pathlib import Path

import timm
import torch
import torchvision
from torch import nn

TORCHVISION = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d",
    "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2",
)  # fmt: skip
# Their widths are computed by torch, so these need memory: 2.6 GB for the largest.
REGNETS = [name for name in torchvision.models.list_models() if name.startswith("regnet")]
# Files of timm with all of their networks but the pruned.
FILES = ("resnet", "resnetv2", "regnet", "res2net", "resnest", "sknet", "senet", "nfnet",
         "convnext", "cspnet", "byobnet")  # fmt: skip
# Networks of those files that can't be built here.
LEFT_OUT = (
    *timm.list_models("cspnext*"), *timm.list_models("cs3*"), *timm.list_models("*darknet*"),
    *timm.list_models("convnext*_ols"), *timm.list_models("convnext*_rms"), "convnext_tiny_hnf",
    "convnext_large_mlp", *timm.list_models("test_convnext*"), *timm.list_models("dm_nfnet*"),
    *timm.list_models("nf_regnet*"), *timm.list_models("gernet*"), *timm.list_models("repvgg*"),
    *timm.list_models("mobileone*"), *timm.list_models("regnetz_*_evos"),
    *timm.list_models("resnet*_clip*"), "resnet50_mlp", "resnet61q", "bat_resnext26ts",
    "test_byobnet",
)  # fmt: skip
BASIC, BOTTLENECK = ((3, 1), (3, 1)), ((1, 1), (3, 1), (1, 4))


class PaperNet(nn.Module):
    """Its parameters alone: it computes nothing.

    Args:
      branch: (kernel, multiple of the stage's width) of each convolution.
      shortcut: A and none have no parameters, B projects where shapes differ, C in every block.
      inner: multiple of the width of all convolutions but the last; groups: of the second.
    """

    def __init__(
        self, depths, widths, branch=BASIC, shortcut="B", stem=16, classes=10, kernel=3,
        preactivated=False, groups=1, inner=1, squeeze=False,
    ):  # fmt: skip
        super().__init__()
        layers = [nn.Conv2d(3, stem, kernel, bias=False)]
        channels = stem
        if not preactivated:
            layers.append(nn.BatchNorm2d(channels))
        for number, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            for block in range(depth):
                start = channels
                for position, (size, multiple) in enumerate(branch):
                    last = position == len(branch) - 1
                    features = width * (multiple if last else multiple * inner)
                    grouped = groups if position == 1 else 1
                    conv = nn.Conv2d(channels, features, size, groups=grouped, bias=False)
                    layers += [conv, nn.BatchNorm2d(channels if preactivated else features)]
                    channels = features
                opens = start != channels or (number > 0 and block == 0)
                if shortcut == "C" or (shortcut == "B" and opens):
                    layers.append(nn.Conv2d(start, channels, 1, bias=False))
                    if not preactivated:
                        layers.append(nn.BatchNorm2d(channels))
                if squeeze:
                    reduced = max(8, int(channels / 16 + 4) // 8 * 8)
                    layers += [nn.Linear(channels, reduced), nn.Linear(reduced, channels)]
        if preactivated:
            layers.append(nn.BatchNorm2d(channels))
        layers.append(nn.Linear(channels, classes))
        self.layers = nn.ModuleList(layers)


def cifar(depth, **options):
    """6n + 2 or 9n + 2 layers."""
    blocks = (depth - 2) // (3 * len(options.get("branch", BASIC)))
    return PaperNet((blocks,) * 3, options.pop("widths", (16, 32, 64)), **options)


def wide(depth, factor, **options):
    widths = (16 * factor, 32 * factor, 64 * factor)
    return PaperNet(((depth - 4) // 6,) * 3, widths, preactivated=True, **options)


def imagenet(depths, **options):
    return PaperNet(depths, (64, 128, 256, 512), stem=64, classes=1000, kernel=7, **options)


class PyramidNet(nn.Module):
    """Its parameters alone; every block is wider than the one before by the same number."""

    def __init__(self, depth, widening, bottleneck=False):
        super().__init__()
        blocks = (depth - 2) // (9 if bottleneck else 6) * 3
        layers, channels, exact = [nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16)], 16, 16.0
        for _ in range(blocks):
            exact += widening / blocks
            for size, multiple in BOTTLENECK if bottleneck else BASIC:
                features = multiple * round(exact)
                conv = nn.Conv2d(channels, features, size, bias=False)
                layers += [nn.BatchNorm2d(channels), conv]
                channels = features
            layers.append(nn.BatchNorm2d(channels))
        layers += [nn.BatchNorm2d(channels), nn.Linear(channels, 10)]
        self.layers = nn.ModuleList(layers)


def papers():
    depths = (20, 32, 44, 56, 110, 1202)
    for depth in depths:
        for option in "ABC":
            yield (
                f"cifar_resnet{depth}_{option.lower()}",
                lambda d=depth, o=option: cifar(d, shortcut=o),
            )
        for name in (f"cifar_plain{depth}", f"cifar_resnet{depth}_akamaster"):
            yield name, lambda d=depth: cifar(d, shortcut="A")
    for depth in (110, 1202):
        yield f"cifar_resnet{depth}_stochastic_depth", lambda d=depth: cifar(d, shortcut="A")
    yield "cifar_preresnet110", lambda: cifar(110, shortcut="A", preactivated=True)
    for depth in (164, 1001):
        yield (
            f"cifar_preresnet{depth}",
            lambda d=depth: cifar(d, branch=BOTTLENECK, preactivated=True),
        )
    yield "cifar_wrn_40_4", lambda: wide(40, 4)
    yield "cifar_wrn_16_8", lambda: wide(16, 8)
    yield "cifar_wrn_28_10", lambda: wide(28, 10)
    yield "cifar_wrn_28_10_dropout", lambda: wide(28, 10)
    for groups in (8, 16):
        yield (
            f"cifar_resnext29_{groups}x64d",
            lambda g=groups: cifar(
                29, branch=BOTTLENECK, widths=(64, 128, 256), stem=64, groups=g, inner=g
            ),
        )
    yield "cifar_seresnet110", lambda: cifar(110, squeeze=True)
    yield (
        "cifar_seresnet164",
        lambda: cifar(164, branch=BOTTLENECK, preactivated=True, squeeze=True),
    )
    yield "cifar_sewrn_16_8", lambda: wide(16, 8, squeeze=True)
    for depth, widening in ((110, 48), (110, 84), (110, 270)):
        yield (
            f"cifar_pyramidnet{depth}_a{widening}",
            lambda d=depth, w=widening: PyramidNet(d, w),
        )
    for depth, widening in ((164, 270), (200, 240), (236, 220), (272, 200)):
        yield (
            f"cifar_pyramidnet{depth}_a{widening}",
            lambda d=depth, w=widening: PyramidNet(d, w, bottleneck=True),
        )
    for depth, blocks in ((50, (3, 4, 6, 3)), (101, (3, 4, 23, 3)), (152, (3, 8, 36, 3))):
        yield f"resnet{depth}_v1", lambda b=blocks: imagenet(b, branch=BOTTLENECK)
    yield "plain18", lambda: imagenet((2, 2, 2, 2), shortcut="none")
    yield "plain34", lambda: imagenet((3, 4, 6, 3), shortcut="none")
    yield "resnet34_a", lambda: imagenet((3, 4, 6, 3), shortcut="A")
    yield "resnet34_c", lambda: imagenet((3, 4, 6, 3), shortcut="C")
    yield "preresnet200", lambda: imagenet((3, 24, 36, 3), branch=BOTTLENECK, preactivated=True)


def count(build, device="meta") -> int:
    with torch.device(device):
        return sum(parameter.numel() for parameter in build().parameters())


def torchvision_counts() -> dict[str, int]:
    """Of all of torchvision's networks here."""
    devices = {name: "meta" for name in TORCHVISION} | {name: "cpu" for name in REGNETS}
    return {n: count(getattr(torchvision.models, n), device) for n, device in devices.items()}


def timm_names() -> list[str]:
    names = [name for file in FILES for name in timm.list_models(module=file)]
    return [name for name in names if not name.endswith("_pruned") and name not in LEFT_OUT]


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    counts = {
        "torchvision": torchvision_counts(),
        "timm": {n: count(lambda n=n: timm.create_model(n)) for n in timm_names()},
        "papers": {name: count(build) for name, build in papers()},
    }
    versions = {package.__name__: package.__version__ for package in (torch, torchvision, timm)}
    text = json.dumps({"versions": versions, **counts}, indent=1)
    (folder / "parameter_counts.json").write_text(text + "\n")
    print({peer: len(names) for peer, names in counts.items()})
