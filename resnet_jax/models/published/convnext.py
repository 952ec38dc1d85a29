"""ConvNeXt and ConvNeXt V2, as timm's convnext.py has them.

Liu et al., 'A ConvNet for the 2020s', arXiv 2201.03545; Woo et al., 'ConvNeXt V2', arXiv
2301.00808.
"""

from resnet_jax.models.published.imagenet import IMAGENET_NETWORK, Arguments

BLOCK: Arguments = {
    **IMAGENET_NETWORK,
    "branch": "convnext",
    "arrangement": "convnext",
    "activation": "gelu",
    "norm": "layer",
    "conv_bias": True,
    "stem": "patches",
    "stem_pool": "none",
    "transition": "norm_and_convolution",
    "head": "normalised_mean",
}
# In place of what V1 has behind a block's last convolution, V2 has a layer before it.
V1: Arguments = {"shortcut": {"name": "layer_scale", "initial_gain": 1e-6, "ends": "A"}}
V2: Arguments = {"shortcut": "A", "attention": "response"}
# Blocks in each stage, and the width of the first; each stage has twice the width before it.
SIZES = {
    "atto": ((2, 2, 6, 2), 40),
    "femto": ((2, 2, 6, 2), 48),
    "pico": ((2, 2, 6, 2), 64),
    "nano": ((2, 2, 8, 2), 80),
    "tiny": ((3, 3, 9, 3), 96),
    "small": ((3, 3, 27, 3), 96),
    "base": ((3, 3, 27, 3), 128),
    "large": ((3, 3, 27, 3), 192),
    "xlarge": ((3, 3, 27, 3), 256),
    "huge": ((3, 3, 27, 3), 352),
}


def convnext(depths: tuple[int, ...], width: int, kind: Arguments) -> Arguments:
    """A network of one kind of block."""
    widths = tuple(2**stage * width for stage in range(4))
    return {**BLOCK, "stage_depths": depths, "widths": widths, "stem_width": width, **kind}


CONVNEXT: dict[str, Arguments] = {
    **{f"convnext_{name}": convnext(*size, V1) for name, size in SIZES.items() if name != "huge"},
    "convnext_xxlarge": {
        **convnext((3, 4, 30, 3), 384, V1),
        "norm": {"name": "layer", "epsilon": 1e-5},
    },
    **{
        f"convnextv2_{name}": convnext(*size, V2)
        for name, size in SIZES.items()
        if name != "xlarge"
    },
}
