"""Writes what small residual networks compute in PyTorch: `python write_pytorch.py [folder]`.

Needs torch and numpy. The networks are written out in plain torch, after the codes that people
trained with: torchvision (v1.5), Caffe's release (v1), akamaster/pytorch_resnet_cifar10 (option A)
and KaimingHe/resnet-1k-layers (full pre-activation).
"""

import sys
from pathlib import Path

import numpy as np
import torch.nn.functional as F
from stepping import step
from tensors import CLASSES
from torch import nn


def conv(channels, features, kernel, stride=1):
    return nn.Conv2d(channels, features, kernel, stride, padding=kernel // 2, bias=False)


class Block(nn.Module):
    """Post-activated: basic, or bottleneck with the stride in its first or second convolution."""

    def __init__(self, channels, width, stride, kind, option):
        super().__init__()
        self.layers = 2 if kind == "basic" else 3
        features = width if kind == "basic" else 4 * width
        if kind == "basic":
            self.conv1 = conv(channels, width, 3, stride)
            self.conv2 = conv(width, features, 3)
        else:
            first, second = (stride, 1) if kind == "bottleneck_v1" else (1, stride)
            self.conv1 = conv(channels, width, 1, first)
            self.conv2 = conv(width, width, 3, second)
            self.conv3 = conv(width, features, 1)
        for number in range(1, self.layers + 1):
            outputs = getattr(self, f"conv{number}").out_channels
            setattr(self, f"bn{number}", nn.BatchNorm2d(outputs))
        self.stride, self.missing, self.option = stride, features - channels, option
        self.changes_shape = stride > 1 or channels != features
        if self.changes_shape and option == "B":
            self.downsample = nn.Sequential(
                conv(channels, features, 1, stride), nn.BatchNorm2d(features)
            )

    def shortcut(self, x):
        if not self.changes_shape:
            return x
        if self.option == "B":
            return self.downsample(x)
        before = {"A, after": 0, "A, both sides": self.missing // 2}[self.option]
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, before, self.missing - before))

    def forward(self, x):
        y = x
        for number in range(1, self.layers + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            y = F.relu(y) if number < self.layers else y
        return F.relu(self.shortcut(x) + y)


class PreactivatedBlock(nn.Module):
    """Full pre-activation, basic; what opens a stage shares bn1 with its shortcut."""

    def __init__(self, channels, width, stride, opening):
        super().__init__()
        self.opening = opening
        self.bn1, self.conv1 = nn.BatchNorm2d(channels), conv(channels, width, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), conv(width, width, 3)
        if stride > 1 or channels != width:
            self.downsample = nn.Sequential(conv(channels, width, 1, stride))

    def forward(self, x):
        activated = F.relu(self.bn1(x))
        shortcut = activated if self.opening else x
        if hasattr(self, "downsample"):
            shortcut = self.downsample(shortcut)
        return shortcut + self.conv2(F.relu(self.bn2(self.conv1(activated))))


class ResNet(nn.Module):
    def __init__(self, depths, widths, *, kind="basic", option="B", imagenet=False):
        super().__init__()
        self.imagenet, self.preactivated = imagenet, kind == "preactivated"
        channels = widths[0]
        self.conv1 = conv(3, channels, 7, 2) if imagenet else conv(3, channels, 3)
        if not self.preactivated:
            self.bn1 = nn.BatchNorm2d(channels)
        self.stages = len(depths)
        for number, (depth, width) in enumerate(zip(depths, widths, strict=True), start=1):
            blocks = []
            for index in range(depth):
                stride = 2 if number > 1 and index == 0 else 1
                if self.preactivated:
                    block = PreactivatedBlock(channels, width, stride, opening=index == 0)
                else:
                    block = Block(channels, width, stride, kind, option)
                blocks.append(block)
                channels = 4 * width if kind.startswith("bottleneck") else width
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        if self.preactivated:
            self.bn_last = nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels, CLASSES)

    def forward(self, x):
        x = self.conv1(x)
        if not self.preactivated:
            x = F.relu(self.bn1(x))
        if self.imagenet:
            x = F.max_pool2d(x, 3, 2, padding=1)
        for number in range(1, self.stages + 1):
            x = getattr(self, f"layer{number}")(x)
        if self.preactivated:
            x = F.relu(self.bn_last(x))
        return self.fc(x.mean((2, 3)))


class PyramidBlock(nn.Module):
    """A norm first, no ReLU before the first convolution; a shortcut of means and zeros."""

    def __init__(self, channels, width, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(channels), conv(channels, width, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), conv(width, width, 3)
        self.bn3 = nn.BatchNorm2d(width)
        self.stride, self.missing = stride, width - channels

    def forward(self, x):
        y = self.bn3(self.conv2(F.relu(self.bn2(self.conv1(self.bn1(x))))))
        if self.stride > 1:
            x = F.avg_pool2d(x, 2, 2, ceil_mode=True)
        return F.pad(x, (0, 0, 0, 0, 0, self.missing)) + y


class PyramidNet(nn.Module):
    def __init__(self, depths, widening, stem=4):
        super().__init__()
        self.conv1, self.bn1 = conv(3, stem, 3), nn.BatchNorm2d(stem)
        self.stages, channels, exact = len(depths), stem, float(stem)
        for number, depth in enumerate(depths, start=1):
            blocks = []
            for index in range(depth):
                exact += widening / sum(depths)
                stride = 2 if number > 1 and index == 0 else 1
                blocks.append(PyramidBlock(channels, round(exact), stride))
                channels = round(exact)
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        self.bn_last, self.fc = nn.BatchNorm2d(channels), nn.Linear(channels, CLASSES)

    def forward(self, x):
        x = self.bn1(self.conv1(x))
        for number in range(1, self.stages + 1):
            x = getattr(self, f"layer{number}")(x)
        return self.fc(F.relu(self.bn_last(x)).mean((2, 3)))


SIZES = {False: (12, 11), True: (24, 19)}
SMALL = ((1, 1, 1), (4, 8, 16))
DEEPER = ((2, 1, 1), (4, 8, 16))
NARROW = ((1, 1, 1), (2, 4, 6))
NETS = {
    "option_a_after": (SMALL, {"option": "A, after"}),
    "option_a_both_sides": (SMALL, {"option": "A, both sides"}),
    "option_b": (DEEPER, {}),
    "full_preactivation": (DEEPER, {"kind": "preactivated"}),
    "bottleneck": (NARROW, {"kind": "bottleneck"}),
    "bottleneck_v1": (NARROW, {"kind": "bottleneck_v1"}),
    "pyramid": (((1, 2, 1), 6), {}),
    "imagenet": (((1, 2, 1, 1), (2, 3, 4, 5)), {"kind": "bottleneck", "imagenet": True}),
}


def golden(net: nn.Module, sizes: tuple[int, int]) -> dict[str, np.ndarray]:
    """Logits in evaluation at each size, and the state after a step of SGD at the first."""
    arrays, updated = step(net, sizes)
    return {**arrays, "updated": np.concatenate([np.ravel(updated[name]) for name in updated])}


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, (sizes_of_stages, options) in NETS.items():
        kind = PyramidNet if name == "pyramid" else ResNet
        net = kind(*sizes_of_stages, **options)
        arrays = golden(net, SIZES[options.get("imagenet", False)])
        np.savez_compressed(folder / f"{name}.npz", **arrays)
        print(f"{name}: {len(arrays['updated']):,} updated numbers")
