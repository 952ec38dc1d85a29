"""Normaliser-free networks: NF-ResNets and NFNets of timm's nfnet.py.

Brock et al., arXiv 2101.08692, and 'High-Performance Large-Scale Image Recognition Without
Normalization', arXiv 2102.06171. As in timm, kernels have the gain of the activation.
"""

from resnet_jax.models.published.imagenet import Arguments, bottleneck

# Standard deviation of a standard normal number behind ReLU, inverted (deepmind-research/nfnets,
# base.py, where these were estimated from random numbers).
RELU_GAIN = 1.7139588594436646


def free(gain: float) -> Arguments:
    """What takes the place of norms, with the gain of the activation."""
    return {
        "norm": "affine",
        "arrangement": "relu_only_preactivation",
        "activate_identity": False,
        "shortcut": "normaliser_free",
        "weight_epsilon": 1e-5,
        "weight_gain": gain,
    }


FREE = free(RELU_GAIN)
SE: Arguments = {"attention": {"name": "squeeze_excitation", "gain": 2.0}}
ECA: Arguments = {"attention": {"name": "efficient", "gain": 2.0}}

NORMALISER_FREE: dict[str, Arguments] = {
    f"nf_{attention}resnet{depth}": bottleneck(depth, FREE, added)
    for attention, added in {"": {}, "se": SE, "eca": ECA}.items()
    for depth in (26, 50, 101)
}
