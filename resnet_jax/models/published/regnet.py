"""RegNets: 'Designing Network Design Spaces', Radosavovic et al., arXiv 2003.13678.

Names are timm's (models/regnet.py) and torchvision's (models/regnet.py). The parameters of each
network are those of pycls (configs/dds_baselines), which both have. RegNet Z is from 'Fast and
Accurate Model Scaling', Dollar et al., arXiv 2103.06877; its networks here, the pre-activated V and
the one with group norm are timm's own.
"""

import math
from collections import Counter
from typing import NamedTuple

from resnet_jax.models.published.imagenet import IMAGENET_NETWORK, Arguments


class Line(NamedTuple):
    """What describes a RegNet.

    Attributes:
      depth: d, the number of blocks.
      initial: w_0, the width of the line at the first block.
      slope: w_a, by which it grows from block to block.
      growth: w_m, the factor between the widths of two stages.
      group_width: g, channels of a group.
    """

    depth: int
    initial: int
    slope: float
    growth: float
    group_width: int

    def stages(self) -> dict[int, int]:
        """Blocks of each stage, by its width (generate_regnet of pycls)."""
        block_widths = []
        for number in range(self.depth):
            on_line = self.initial + self.slope * number
            power = round(math.log(on_line / self.initial) / math.log(self.growth))
            block_widths.append(round(self.initial * self.growth**power / 8) * 8)
        return dict(Counter(block_widths))

    def whole_groups(self, width: int) -> int:
        """The nearest width of whole groups; of two, the even number of groups, as in pycls."""
        group = min(self.group_width, width)
        return round(width / group) * group

    def whole_groups_of_torchvision(self, width: int) -> int:
        """As `whole_groups`, but of two the larger, and at least nine tenths of the width."""
        group = min(self.group_width, width)
        nearest = math.floor(width / group + 1 / 2) * group
        return nearest if nearest >= 0.9 * width else nearest + group


X = {
    "002": Line(13, 24, 36.44, 2.49, 8),
    "004": Line(22, 24, 24.48, 2.54, 16),
    "006": Line(16, 48, 36.97, 2.24, 24),
    "008": Line(16, 56, 35.73, 2.28, 16),
    "016": Line(18, 80, 34.01, 2.25, 24),
    "032": Line(25, 88, 26.31, 2.25, 48),
    "040": Line(23, 96, 38.65, 2.43, 40),
    "064": Line(17, 184, 60.83, 2.07, 56),
    "080": Line(23, 80, 49.56, 2.88, 120),
    "120": Line(19, 168, 73.36, 2.37, 112),
    "160": Line(22, 216, 55.59, 2.1, 128),
    "320": Line(23, 320, 69.86, 2.0, 168),
}
Y = {
    "002": Line(13, 24, 36.44, 2.49, 8),
    "004": Line(16, 48, 27.89, 2.09, 8),
    "006": Line(15, 48, 32.54, 2.32, 16),
    "008": Line(14, 56, 38.84, 2.4, 16),
    "016": Line(27, 48, 20.71, 2.65, 24),
    "032": Line(21, 80, 42.63, 2.66, 24),
    "040": Line(22, 96, 31.41, 2.24, 64),
    "064": Line(25, 112, 33.22, 2.27, 72),
    "080": Line(17, 192, 76.82, 2.19, 56),
    "120": Line(19, 168, 73.36, 2.37, 112),
    "160": Line(18, 200, 106.23, 2.48, 112),
    "320": Line(20, 232, 115.89, 2.53, 232),
    "640": Line(20, 352, 147.48, 2.4, 328),
    "1280": Line(27, 456, 160.83, 2.52, 264),
    "2560": Line(27, 640, 230.83, 2.53, 373),
}
SE: Arguments = {
    "attention": {
        "name": "squeeze_excitation",
        "reduction": 1 / 4,
        "multiple": 1,
        "of_input": True,
    }
}
SILU_SE: Arguments = {
    "attention": {**SE["attention"], "as_network": True},
    "activation": "silu",
}
V: Arguments = {**SILU_SE, "arrangement": "shared_preactivation"}
Z: Arguments = {**SILU_SE, "arrangement": "linear", "shortcut": "identity_or_none"}
Z_040 = Line(28, 48, 14.5, 2.226, 8)


def row(
    line: Line,
    *additions: Arguments,
    torchvision: bool = False,
    ratio: float = 1.0,
    head_width: int | None = None,
) -> Arguments:
    """A RegNet; later additions prevail.

    Args:
      torchvision: whether widths are rounded to whole groups as there.
      ratio, head_width: of the row 'regnet' of branches, and of the network.
    """
    stages = line.stages()
    whole = line.whole_groups_of_torchvision if torchvision else line.whole_groups
    added = {key: value for addition in additions for key, value in addition.items()}
    return {
        **IMAGENET_NETWORK,
        "stage_depths": tuple(stages.values()),
        "widths": tuple(whole(width) for width in stages),
        "branch": {"name": "regnet", "group_width": line.group_width, "ratio": ratio},
        "head_width": head_width,
        "stem": "strided",
        "stem_pool": "none",
        "stem_width": 32,
        "first_stride": 2,
        **added,
    }


TIMM: dict[str, Arguments] = {
    **{f"regnetx_{size}": row(line) for size, line in X.items()},
    "regnetx_004_tv": row(X["004"], torchvision=True),
    **{f"regnety_{size}": row(line, SE) for size, line in Y.items()},
    "regnety_008_tv": row(Y["008"], SE, torchvision=True),
    "regnety_080_tv": row(Y["080"], SE, torchvision=True),
    "regnety_040_sgn": row(
        Y["040"], SILU_SE, {"norm": {"name": "group", "group_width": 16, "epsilon": 1e-5}}
    ),
    "regnetv_040": row(Y["040"], V),
    "regnetv_064": row(Y["064"], V, {"shortcut": "D"}),
    "regnetz_005": row(Line(21, 16, 10.7, 2.51, 4), Z, ratio=4.0, head_width=1024),
    "regnetz_040": row(Z_040, Z, ratio=4.0),
    "regnetz_040_h": row(Z_040, Z, ratio=4.0, head_width=1536),
}
TORCHVISION: dict[str, Arguments] = {
    "regnet_x_400mf": TIMM["regnetx_004_tv"],
    "regnet_x_800mf": TIMM["regnetx_008"],
    "regnet_x_1_6gf": TIMM["regnetx_016"],
    "regnet_x_3_2gf": TIMM["regnetx_032"],
    "regnet_x_8gf": TIMM["regnetx_080"],
    "regnet_x_16gf": TIMM["regnetx_160"],
    "regnet_x_32gf": TIMM["regnetx_320"],
    "regnet_y_400mf": TIMM["regnety_004"],
    "regnet_y_800mf": TIMM["regnety_008_tv"],
    "regnet_y_1_6gf": TIMM["regnety_016"],
    "regnet_y_3_2gf": TIMM["regnety_032"],
    "regnet_y_8gf": TIMM["regnety_080_tv"],
    "regnet_y_16gf": TIMM["regnety_160"],
    "regnet_y_32gf": TIMM["regnety_320"],
    "regnet_y_128gf": TIMM["regnety_1280"],
}
REGNET = {**TIMM, **TORCHVISION}
