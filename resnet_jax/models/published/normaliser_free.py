"""Normaliser-free networks: NF-ResNets and NFNets of timm's nfnet.py, but those of DeepMind.

Brock et al., arXiv 2101.08692, and 'High-Performance Large-Scale Image Recognition Without
Normalization', arXiv 2102.06171. As in timm, kernels have the gain of the activation.
"""

from typing import Any

from resnet_jax.models.published.imagenet import IMAGENET_NETWORK, Arguments, bottleneck

# Standard deviation of a standard normal number behind the activation, inverted, as timm's nfnet.py
# has them.
GAINS = {"relu": 1.7139588594436646, "gelu": 1.7015043497085571, "silu": 1.7881293296813965}


def free(activation: str) -> Arguments:
    """What takes the place of norms."""
    return {
        "activation": activation,
        "norm": "affine",
        "arrangement": "relu_only_preactivation",
        "activate_identity": False,
        "shortcut": "normaliser_free",
        "weight_epsilon": 1e-5,
        "weight_gain": GAINS[activation],
    }


FREE = free("relu")
SE: Arguments = {"attention": {"name": "squeeze_excitation", "gain": 2.0}}
ECA: Arguments = {"attention": {"name": "efficient", "gain": 2.0}}
WIDTHS = (256, 512, 1536, 1536)


def se(reduction: float) -> Arguments:
    """Squeeze and excitation with this share of channels between its layers."""
    return {"attention": {**SE["attention"], "reduction": reduction}}


def nfnet(
    depths: tuple[int, ...], activation: str, attention: Arguments, **options: float
) -> Arguments:
    """An NFNet (arXiv 2102.06171; timm's nfnet.py).

    Args:
      options: of the branch.
    """
    return {
        **IMAGENET_NETWORK,
        "stage_depths": depths,
        "widths": WIDTHS,
        "branch": {"name": "normaliser_free", **options},
        "stem": "quadruple",
        "stem_pool": "none",
        "stem_width": 128,
        "head_width": 2 * WIDTHS[-1],
        **free(activation),
        **attention,
    }


def light(number: int, attention: Arguments, **changes: Any) -> Arguments:
    """timm's lighter NFNet-L."""
    depths = tuple(number * depth for depth in DEPTHS)
    return {**nfnet(depths, "silu", attention, group_width=64, ratio=1 / 4), **changes}


# Blocks in each stage of NFNet-F0; in F1 there are twice as many, and so on.
DEPTHS = (1, 2, 6, 3)
NORMALISER_FREE: dict[str, Arguments] = {
    **{
        f"nf_{attention}resnet{depth}": bottleneck(depth, FREE, added)
        for attention, added in {"": {}, "se": SE, "eca": ECA}.items()
        for depth in (26, 50, 101)
    },
    **{
        f"nfnet_f{size}": nfnet(tuple((size + 1) * depth for depth in DEPTHS), "gelu", se(1 / 2))
        for size in range(8)
    },
    "nfnet_l0": light(1, se(1 / 4), head_width=2304),
    "eca_nfnet_l0": light(1, ECA, head_width=2304),
    "eca_nfnet_l1": light(2, ECA),
    "eca_nfnet_l2": light(3, ECA),
    "eca_nfnet_l3": light(4, ECA),
    "test_nfnet": {
        **nfnet((1, 1, 1, 1), "silu", se(1 / 4), group_width=8, ratio=1 / 4),
        "widths": (32, 64, 96, 128),
        "head_width": 192,
    },
}
