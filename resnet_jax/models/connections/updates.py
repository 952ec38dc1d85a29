"""Connections of one image: what of F(x) is added to x, and how much of x stays.

s(x) is x where the shape stays, and the shortcut that the option `ends` names where it changes.
"""

import math
from typing import Annotated, Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnet_jax.models.connections.ends import Ends, direct
from resnet_jax.models.connections.record import Branch, Site
from resnet_jax.models.layers import Layers
from resnet_jax.tables.domains import Interval, Kernel, Positive, Probability, Share

Image = Float[Array, "batch height width channels"]
AXES = {"channels": (3,), "image": (1, 2, 3)}


def orthogonal(
    x: Image,
    branch: Branch,
    site: Site,
    layers: Layers,
    over: Literal["channels", "image"] = "channels",
    epsilon: Positive = 1e-6,
    ends: Ends = "B",
) -> Image:
    """y = s + F - <s, F> / (<s, s> + epsilon) s: only what is orthogonal to s = s(x) is added.

    Oh et al., arXiv 2505.11881; connect.py and preactresnet.py of BootsofLagrangian/ortho-residual,
    which take the channels in every block of convolutions, whatever method is asked for.

    Args:
      over: what the inner products sum over: the channels of each position, or the whole image.
    """
    shortcut, y = direct(x, site, layers, ends), branch(x)
    s, f = (value.astype(layers.param_dtype) for value in (shortcut, y))
    axes = AXES[over]
    share = (s * f).sum(axes, keepdims=True) / ((s * s).sum(axes, keepdims=True) + epsilon)
    return shortcut + y - share.astype(y.dtype) * shortcut


def decayed_identity(
    x: Image,
    branch: Branch,
    site: Site,
    layers: Layers,
    last_share: Probability = 0.6,
    ends: Ends = "A",
) -> Image:
    """y = a s(x) + F(x), where a falls linearly with depth: a = 1 - (1 - last_share) l / L.

    Zhang et al., arXiv 2404.10947. For shares of at most 0.7 they start F at zero, as
    model.zero_init_branch does.

    Args:
      last_share: a of the last block; 0.6 in their ViT-B, and more in deeper networks.
    """
    share = 1 - (1 - last_share) * site.number / site.blocks
    return jnp.asarray(share, x.dtype) * direct(x, site, layers, ends) + branch(x)


def normaliser_free(
    x: Image,
    branch: Branch,
    site: Site,
    layers: Layers,
    branch_scale: Positive = 0.2,
    ends: Ends = "D",
) -> Image:
    """y = s(x) + a F(x / b), where b is the standard deviation that x has at the start.

    Brock et al., arXiv 2101.08692: each branch adds a^2 to a variance that is 1 behind a
    projection. As in timm's nfnet.py, x is divided behind its activation, and a projection takes
    the result.

    Args:
      branch_scale: a.
    """
    return direct(x, site, layers, ends) + jnp.asarray(branch_scale, x.dtype) * branch(x)


def expected_deviation(added: Any, branch_scale: float) -> Any:
    """1 / b of `normaliser_free` for an x to which so many branches were added."""
    return (1 + branch_scale**2 * added) ** -0.5


def scalar_gate(
    x: Image,
    branch: Branch,
    site: Site,
    layers: Layers,
    gate_bias: float = 0.0,
    ends: Ends = "B",
) -> Image:
    """y = s(x) + sigmoid(g) F(x), with one learned number g, `gate_bias` at first.

    It has no paper. A learned factor of F without a sigmoid is model.branch_gain, as in MLS-Bench's
    task dl-residual-connection.
    """
    gate = nn.sigmoid(layers.numbers(gate_bias, name="gate"))
    return direct(x, site, layers, ends) + gate.astype(x.dtype) * branch(x)


def channel_gate(
    x: Image,
    branch: Branch,
    site: Site,
    layers: Layers,
    gate_bias: float = 0.0,
    ends: Ends = "B",
) -> Image:
    """y = s(x) + sigmoid(g) F(x), with a learned number g for each channel.

    It has no paper; `scalar_gate` is the same with one number.
    """
    gate = nn.sigmoid(_by_channel(gate_bias, site, layers, "gate"))
    return direct(x, site, layers, ends) + gate.astype(x.dtype) * branch(x)


def _by_channel(start: float, site: Site, layers: Layers, name: str) -> Array:
    return layers.numbers(start, (site.features,), name=name)[None, None, None]


def squeezed_gate(
    x: Image,
    branch: Branch,
    site: Site,
    layers: Layers,
    gate_bias: float = 0.0,
    squeeze: Share = 1 / 16,
    ends: Ends = "B",
) -> Image:
    """y = s(x) + sigmoid(W relu(V m)) F(x), where m are the means of s(x) and F(x) over positions.

    The gate of squeeze-and-excitation (Hu et al., arXiv 1709.01507, section 3), which sees both
    paths; model.attention=squeeze_excitation sees F alone.

    Args:
      gate_bias: initial bias of W; W itself is zero at first.
      squeeze: channels between V and W as a share of F's, at least 4.
    """
    shortcut, y = direct(x, site, layers, ends), branch(x)
    both = jnp.concatenate([shortcut, y], axis=-1).astype(layers.param_dtype)
    squeezed = layers.dense(max(4, round(site.features * squeeze)), name="gate_reduce")
    gate = layers.dense(
        site.features,
        kernel_init=nn.initializers.zeros,
        bias_init=nn.initializers.constant(gate_bias),
        name="gate_expand",
    )(nn.relu(squeezed(both.mean(axis=(1, 2)))))
    return shortcut + nn.sigmoid(gate)[:, None, None].astype(y.dtype) * y


def layer_scale(
    x: Image,
    branch: Branch,
    site: Site,
    layers: Layers,
    initial_gain: float | None = None,
    ends: Ends = "B",
) -> Image:
    """y = s(x) + g F(x), with a learned number g for each channel.

    Touvron et al., arXiv 2103.17239, section 2, which starts with 0.1 up to depth 18, 1e-5 up to 24
    and 1e-6 beyond. A layer of theirs has two branches, so depth 18 is 36 blocks.

    Args:
      initial_gain: None: 0.1 in networks of up to 36 blocks, 1e-5 of up to 48, else 1e-6.
    """
    by_depth = 0.1 if site.blocks <= 36 else 1e-5 if site.blocks <= 48 else 1e-6
    initial = by_depth if initial_gain is None else initial_gain
    scale = _by_channel(initial, site, layers, "layer_scale")
    return direct(x, site, layers, ends) + scale.astype(x.dtype) * branch(x)


def deep_norm(
    x: Image,
    branch: Branch,
    site: Site,
    layers: Layers,
    shortcut_scale: float | None = None,
    ends: Ends = "B",
) -> Image:
    """y = a s(x) + F(x), the kernels of F starting smaller: DeepNorm without its norm.

    Wang et al., arXiv 2203.00555, and encoder.py of microsoft/torchscale, for an encoder of N
    layers: a is (2N)^(1/4) and F's initial kernels are multiplied by (8N)^(-1/4). A layer has two
    branches, so 2N is the number of blocks. The norm follows with
    model.arrangement=bn_after_addition.

    Args:
      shortcut_scale: a; None: as published.
    """
    scale = site.blocks**0.25 if shortcut_scale is None else shortcut_scale
    return scale * direct(x, site, layers, ends) + branch(x)


def deep_norm_kernel_scale(blocks: int) -> float:
    """What `deep_norm` multiplies the initial kernels of F by."""
    return (4 * blocks) ** -0.25


def highway(
    x: Image,
    branch: Branch,
    site: Site,
    layers: Layers,
    gate_bias: float = -2.0,
    gate_kernel: Kernel = 3,
    ends: Ends = "A",
) -> Image:
    """y = (1 - t) s(x) + t F(x), t = sigmoid(W * x + b), b starting at `gate_bias`.

    Srivastava et al., arXiv 1505.00387, section 2; W is a convolution like those of F. With 1x1
    it is exclusive_gating. The paper starts b at -1, -3 or other negative values; -2 is between.
    """
    bias = nn.initializers.constant(gate_bias)
    conv = layers.conv(site.features, gate_kernel, site.stride, name="gate", bias_init=bias)
    gate = nn.sigmoid(conv(x))
    return (1 - gate) * direct(x, site, layers, ends) + gate * branch(x)


def weighted(x: Image, branch: Branch, site: Site, layers: Layers, ends: Ends = "A") -> Image:
    """y = s(x) + w F(x), with one learned number w in [-1, 1], zero at first.

    Shen & Zeng, arXiv 1605.08831: F ends in a ReLU, as with
    model.arrangement=relu_before_addition, and w lets it subtract. Projected gradient descent,
    theirs too, keeps w in that interval.
    """
    weight = within_one(layers.numbers(0.0, name="weight"))
    return direct(x, site, layers, ends) + weight.astype(x.dtype) * branch(x)


@jax.custom_vjp
def within_one(weight: Array) -> Array:
    """The nearest number in [-1, 1]. No gradient moves a weight that is outside further out."""
    return jnp.clip(weight, -1, 1)


def _forward(weight: Array) -> tuple[Array, Array]:
    return within_one(weight), weight


def _backward(weight: Array, gradient: Array) -> tuple[Array]:
    # Descent moves the weight against its gradient.
    leaves = (jnp.abs(weight) >= 1) & (jnp.sign(gradient) == -jnp.sign(weight))
    return (jnp.where(leaves, 0, gradient),)


within_one.defvjp(_forward, _backward)


def deep_delta(
    x: Image,
    branch: Branch,
    site: Site,
    layers: Layers,
    gate_start: Annotated[float, Interval(0, 2, above=True, below=True)] = 1.0,
    largest_value: Positive = 4.0,
    epsilon: Positive = 1e-5,
    ends: Ends = "B",
) -> Image:
    """y = s + b (v - <k, s>) k, k = F / |F|: what s = s(x) holds along k is rewritten as v.

    Deep Delta Learning, Zhang et al., arXiv 2601.00417, with a value of one dimension:
    DDL-vdim1-gpt-mha-rope.py of yifanzhang-pro/deep-delta-learning. At each position
    b = 2 sigmoid(W RMSNorm(s)) and v = largest_value sigmoid(V s) are numbers.

    Args:
      gate_start: initial b, above 0 and below 2.
      epsilon: |F| is at least about this.
    """
    shortcut, y = direct(x, site, layers, ends), branch(x)
    s, f = (value.astype(layers.param_dtype) for value in (shortcut, y))
    k = f * jax.lax.rsqrt((f * f).sum(-1, keepdims=True) + epsilon**2)
    start = nn.initializers.constant(math.log(gate_start / (2 - gate_start)))
    gate = 2 * nn.sigmoid(layers.dense(1, name="gate", bias_init=start)(rms_normalised(s)))
    value = largest_value * nn.sigmoid(layers.dense(1, name="value")(s))
    update = gate * (value - (k * s).sum(-1, keepdims=True)) * k
    return shortcut + update.astype(shortcut.dtype)


def rms_normalised(x: Array, epsilon: float = 1e-6) -> Array:
    """x divided by the root of its mean square over the last axis."""
    mean: Any = jnp.square(x).mean(-1, keepdims=True)
    return x * jax.lax.rsqrt(mean + epsilon)
