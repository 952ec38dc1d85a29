"""Cross-stage partial networks: CSPResNets and CSPResNeXt of timm's cspnet.py.

Wang et al., 'CSPNet', arXiv 1911.11929.
"""

from resnet_jax.models.published.imagenet import IMAGENET_NETWORK, Arguments

NETWORK: Arguments = {
    **IMAGENET_NETWORK,
    "stage_depths": (3, 3, 5, 2),
    "activation": "leaky_relu",
    "shortcut": "A",
}
NARROW: Arguments = {"widths": (128, 256, 512, 1024), "transition": "cross_stage"}
DEEP: Arguments = {"stem": "deep"}


def growing(ratio: float, groups: int = 1) -> Arguments:
    """Stages whose output has twice the features of their blocks."""
    return {
        "widths": (128, 256, 512, 1024),
        "branch": {"name": "partial_bottleneck", "ratio": ratio, "groups": groups},
        "transition": {"name": "cross_stage", "growth": 2, "groups": groups},
    }


CROSS_STAGE: dict[str, Arguments] = {
    "cspresnet50": {**NETWORK, **NARROW, "branch": "partial_bottleneck"},
    "cspresnet50d": {**NETWORK, **NARROW, **DEEP, "branch": "partial_bottleneck"},
    "cspresnet50w": {**NETWORK, **DEEP, **growing(0.25)},
    "cspresnext50": {**NETWORK, **growing(1.0, groups=32)},
}
