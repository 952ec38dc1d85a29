"""Post-activated networks for ImageNet: those of torchvision, of timm's resnet.py and the papers.

Names are theirs. The letters behind a depth: c is a deep stem; d a deep stem and option D; s a wide
deep stem; t a tiered stem and option D.
"""

from typing import Any

# Arguments of building.resnet.
Arguments = dict[str, Any]

IMAGENET_NETWORK: Arguments = {"family": "imagenet", "classes": 1_000}

# Blocks in each stage, by the depth in the name.
DEPTHS = {
    10: (1, 1, 1, 1),
    14: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    26: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
    201: (3, 24, 36, 4),
    269: (3, 30, 48, 8),
}
# ResNet-RS, Bello et al., arXiv 2103.07579, Table 9.
RS_DEPTHS = {
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
    270: (4, 29, 53, 4),
    350: (4, 36, 72, 4),
    420: (4, 44, 87, 4),
}

STEM_C: Arguments = {"stem": "deep"}
STEM_D: Arguments = {"stem": "deep", "shortcut": "D"}
STEM_S: Arguments = {"stem": "deep", "stem_width": 128}
STEM_T: Arguments = {"stem": "tiered", "shortcut": "D"}

SE: Arguments = {"attention": "squeeze_excitation"}
ECA: Arguments = {"attention": "efficient"}
BLUR: Arguments = {"antialias": "blur", "stem_pool": "max_blur"}
AVERAGE: Arguments = {"antialias": "average", "stem_pool": "average"}
RS: Arguments = {
    **STEM_D,
    "attention": {"name": "squeeze_excitation", "reduction": 1 / 4},
    "stem_pool": "convolution",
}


def grouped(groups: int, base_width: int, **options: int) -> Arguments:
    """Bottlenecks in groups: `32x4d` is 32 groups of width 4."""
    choice = {"name": "bottleneck", "groups": groups, "base_width": base_width, **options}
    return {"branch": choice}


def row(blocks: int | tuple[int, ...], branch: str, *additions: Arguments) -> Arguments:
    """A network with these blocks in each stage, or a row of DEPTHS; later additions prevail."""
    stage_depths = DEPTHS[blocks] if isinstance(blocks, int) else blocks
    added = {key: value for addition in additions for key, value in addition.items()}
    return {**IMAGENET_NETWORK, "stage_depths": stage_depths, "branch": branch, **added}


def basic(blocks: int | tuple[int, ...], *additions: Arguments) -> Arguments:
    """`row` with basic blocks."""
    return row(blocks, "basic", *additions)


def bottleneck(blocks: int | tuple[int, ...], *additions: Arguments) -> Arguments:
    """`row` with bottlenecks, the stride in the 3x3."""
    return row(blocks, "bottleneck", *additions)


# SENet as its Caffe code has it (timm's senet.py): the pool, and the stride in the first 1x1. Basic
# blocks, which that code lacks, activate F before it is weighted.
LEGACY: Arguments = {
    "attention": {"name": "squeeze_excitation", "multiple": 1},
    "stem_pool": "max_from_corner",
}
LEGACY_BASIC: Arguments = {"arrangement": "relu_around_addition"}
LEGACY_SE: dict[str, Arguments] = {
    "legacy_seresnet18": basic(18, LEGACY, LEGACY_BASIC),
    "legacy_seresnet34": basic(34, LEGACY, LEGACY_BASIC),
    **{f"legacy_seresnet{depth}": row(depth, "bottleneck_v1", LEGACY) for depth in (50, 101, 152)},
    "legacy_seresnext26_32x4d": bottleneck(26, LEGACY, grouped(32, 4)),
    "legacy_seresnext50_32x4d": bottleneck(50, LEGACY, grouped(32, 4)),
    "legacy_seresnext101_32x4d": bottleneck(101, LEGACY, grouped(32, 4)),
    "legacy_senet154": bottleneck(
        152,
        STEM_S,
        LEGACY,
        grouped(64, 4, first_reduction=2),
        {"shortcut": {"name": "B", "projection_kernel": 3}},
    ),
}

IMAGENET: dict[str, Arguments] = {
    # Deep Residual Learning, arXiv 1512.03385; the depths 18 to 152 of torchvision and timm.
    "resnet18": basic(18),
    "resnet34": basic(34),
    "resnet26": bottleneck(26),
    "resnet50": bottleneck(50),
    "resnet101": bottleneck(101),
    "resnet152": bottleneck(152),
    "resnet200": bottleneck(200),
    # As published: the stride in the first 1x1; plain twins and shortcuts (section 4.1, Table 3).
    "resnet50_v1": row(50, "bottleneck_v1"),
    "resnet101_v1": row(101, "bottleneck_v1"),
    "resnet152_v1": row(152, "bottleneck_v1"),
    "plain18": basic(18, {"shortcut": "none"}),
    "plain34": basic(34, {"shortcut": "none"}),
    "resnet34_a": basic(34, {"shortcut": "A"}),
    "resnet34_c": basic(34, {"shortcut": "C"}),
    # Bag of Tricks, arXiv 1812.01187, and what followed it.
    "resnet10t": basic(10, STEM_T),
    "resnet14t": bottleneck(14, STEM_T),
    "resnet18d": basic(18, STEM_D),
    "resnet34d": basic(34, STEM_D),
    "resnet26t": bottleneck(26, STEM_T),
    "resnet26d": bottleneck(26, STEM_D),
    "resnet50c": bottleneck(50, STEM_C),
    "resnet50d": bottleneck(50, STEM_D),
    "resnet50s": bottleneck(50, STEM_S),
    "resnet50t": bottleneck(50, STEM_T),
    "resnet101c": bottleneck(101, STEM_C),
    "resnet101d": bottleneck(101, STEM_D),
    "resnet101s": bottleneck(101, STEM_S),
    "resnet152c": bottleneck(152, STEM_C),
    "resnet152d": bottleneck(152, STEM_D),
    "resnet152s": bottleneck(152, STEM_S),
    "resnet200d": bottleneck(200, STEM_D),
    # Wide Residual Networks, arXiv 1605.07146, section 3: the 3x3 twice as wide.
    "wide_resnet50_2": bottleneck(50, grouped(1, 128)),
    "wide_resnet101_2": bottleneck(101, grouped(1, 128)),
    # Group Normalization, arXiv 1803.08494.
    "resnet50_gn": bottleneck(50, {"norm": {"name": "group", "epsilon": 1e-5}}),
    # Aggregated Residual Transformations, arXiv 1611.05431, and wider ones of later papers.
    "resnext50_32x4d": bottleneck(50, grouped(32, 4)),
    "resnext50d_32x4d": bottleneck(50, STEM_D, grouped(32, 4)),
    "resnext101_32x4d": bottleneck(101, grouped(32, 4)),
    "resnext101_32x8d": bottleneck(101, grouped(32, 8)),
    "resnext101_32x16d": bottleneck(101, grouped(32, 16)),
    "resnext101_32x32d": bottleneck(101, grouped(32, 32)),
    "resnext101_64x4d": bottleneck(101, grouped(64, 4)),
    # Squeeze-and-Excitation, arXiv 1709.01507.
    "seresnet18": basic(18, SE),
    "seresnet34": basic(34, SE),
    "seresnet50": bottleneck(50, SE),
    "seresnet50t": bottleneck(50, STEM_T, SE),
    "seresnet101": bottleneck(101, SE),
    "seresnet152": bottleneck(152, SE),
    "seresnet152d": bottleneck(152, STEM_D, SE),
    "seresnet200d": bottleneck(200, STEM_D, SE),
    "seresnet269d": bottleneck(269, STEM_D, SE),
    "seresnext26d_32x4d": bottleneck(26, STEM_D, SE, grouped(32, 4)),
    "seresnext26t_32x4d": bottleneck(26, STEM_T, SE, grouped(32, 4)),
    "seresnext50_32x4d": bottleneck(50, SE, grouped(32, 4)),
    "seresnext101_32x4d": bottleneck(101, SE, grouped(32, 4)),
    "seresnext101_32x8d": bottleneck(101, SE, grouped(32, 8)),
    "seresnext101d_32x8d": bottleneck(101, STEM_D, SE, grouped(32, 8)),
    "seresnext101_64x4d": bottleneck(101, SE, grouped(64, 4)),
    "senet154": bottleneck(
        152,
        STEM_S,
        SE,
        grouped(64, 4, first_reduction=2),
        {"shortcut": {"name": "B", "projection_kernel": 3}},
    ),
    **LEGACY_SE,
    # ECA-Net, arXiv 1910.03151.
    "ecaresnet26t": bottleneck(26, STEM_T, ECA),
    "ecaresnet50d": bottleneck(50, STEM_D, ECA),
    "ecaresnet50t": bottleneck(50, STEM_T, ECA),
    "ecaresnetlight": bottleneck((1, 1, 11, 3), {"shortcut": "D"}, ECA),
    "ecaresnet101d": bottleneck(101, STEM_D, ECA),
    "ecaresnet200d": bottleneck(200, STEM_D, ECA),
    "ecaresnet269d": bottleneck(269, STEM_D, ECA),
    "ecaresnext26t_32x4d": bottleneck(26, STEM_T, ECA, grouped(32, 4)),
    "ecaresnext50t_32x4d": bottleneck(50, STEM_T, ECA, grouped(32, 4)),
    # Making Convolutional Networks Shift-Invariant Again, arXiv 1904.11486: blurred.
    "resnetblur18": basic(18, BLUR),
    "resnetblur50": bottleneck(50, BLUR),
    "resnetblur50d": bottleneck(50, STEM_D, BLUR),
    "resnetblur101d": bottleneck(101, STEM_D, BLUR),
    # The same idea with means.
    "resnetaa34d": basic(34, STEM_D, AVERAGE),
    "resnetaa50": bottleneck(50, AVERAGE),
    "resnetaa50d": bottleneck(50, STEM_D, AVERAGE),
    "resnetaa101d": bottleneck(101, STEM_D, AVERAGE),
    "seresnetaa50d": bottleneck(50, STEM_D, AVERAGE, SE),
    "seresnextaa101d_32x8d": bottleneck(101, STEM_D, AVERAGE, SE, grouped(32, 8)),
    "seresnextaa201d_32x8d": bottleneck(
        201, STEM_D, AVERAGE, SE, grouped(32, 8), {"stem_width": 128}
    ),
    # Revisiting ResNets, arXiv 2103.07579.
    **{f"resnetrs{depth}": bottleneck(blocks, RS) for depth, blocks in RS_DEPTHS.items()},
    # A small one of timm's for tests: the only one whose stages differ in their branch.
    "test_resnet": {
        **IMAGENET_NETWORK,
        **STEM_D,
        "stage_depths": DEPTHS[10],
        "stage_branches": ("basic", "basic", "bottleneck", "basic"),
        "widths": (32, 48, 48, 96),
        "stem_width": 32,
    },
}
