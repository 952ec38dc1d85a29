"""Connections that hand on several images: [batch, height, width, streams, channels]."""

from typing import Annotated

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnet_jax.models.connections.ends import Ends, direct
from resnet_jax.models.connections.record import Branch, Site
from resnet_jax.models.connections.sinkhorn import sinkhorn
from resnet_jax.models.connections.updates import rms_normalised
from resnet_jax.models.layers import Layers
from resnet_jax.tables import UserError
from resnet_jax.tables.domains import Interval

Image = Float[Array, "batch height width channels"]
Streams = Float[Array, "batch height width streams channels"]


def copies(x: Image, layers: Layers, streams: int) -> Streams:
    """So many streams that all hold x."""
    return jnp.repeat(x[:, :, :, None], streams, axis=3)


def total(state: Streams, layers: Layers) -> Image:
    """The sum of the streams."""
    return state.sum(axis=3)


def direct_each(state: Streams, site: Site, layers: Layers, ends: Ends) -> Streams:
    """Each stream itself; where the block changes the shape, the same shortcut of each."""
    batch, streams = state.shape[0], state.shape[3]
    images = jnp.moveaxis(state, 3, 1).reshape(batch * streams, *state.shape[1:3], -1)
    images = direct(images, site, layers, ends)
    return jnp.moveaxis(images.reshape(batch, streams, *images.shape[1:]), 1, 3)


def _written(weights: Array, y: Image, site: Site) -> Streams:
    """weights[..., i] y for stream i; the weights of positions that a stride drops are dropped."""
    if weights.ndim > 1:
        weights = weights[:, :: site.stride, :: site.stride, :, None]
    else:
        weights = weights[None, None, None, :, None]
    return weights.astype(y.dtype) * y[:, :, :, None]


def _one_hot(site: Site, streams: int) -> Array:
    """1 for stream l mod n of block l, and 0 for the others."""
    return jax.nn.one_hot((jnp.asarray(site.number) - 1) % streams, streams)


def hyper(
    state: Streams,
    branch: Branch,
    site: Site,
    layers: Layers,
    streams: Annotated[int, Interval(1, 64)] = 4,
    dynamic: bool = True,
    ends: Ends = "B",
) -> Streams:
    """Hyper-connections: h_j' = sum_i a_ij h_i + b_j F(sum_i a_i0 h_i) for streams h_1 ... h_n.

    Zhu et al., arXiv 2409.19606, with the start values of lucidrains/hyper-connections, which
    follows the paper's own code. At first every block l reads stream l mod n, all streams keep what
    they hold, and F is added to each: they then all equal the residual network. The head reads
    their sum.

    Args:
      streams: n.
      dynamic: whether 0.01 tanh(W LayerNorm(h_i)) is added to a_i and b_i at each position, with W
        zero at first and 0.01 learned.
    """

    def start(*_: object) -> Array:
        reads = _one_hot(site, streams)
        return jnp.concatenate([reads[:, None], jnp.eye(streams)], axis=1).astype(
            layers.param_dtype
        )

    alpha = layers.numbers(start, (streams, streams + 1), name="alpha")
    beta = layers.numbers(1.0, (streams,), name="beta")
    h = state.astype(layers.param_dtype)
    if dynamic:
        zeros = {"use_bias": False, "kernel_init": nn.initializers.zeros}
        normed = nn.LayerNorm(use_bias=False, use_scale=False, dtype=layers.param_dtype)(h)
        by_position = nn.tanh(layers.dense(streams + 2, name="dynamic", **zeros)(normed))
        scales = layers.numbers(0.01, (2,), name="dynamic_scale")
        alpha = alpha[None, None, None] + scales[0] * by_position[..., :-1]
        beta = beta[None, None, None] + scales[1] * by_position[..., -1]
        mixed = jnp.einsum("...nc,...nm->...mc", h, alpha)
    else:
        mixed = jnp.einsum("...nc,nm->...mc", h, alpha)
    mixed = mixed.astype(state.dtype)
    y = branch(mixed[..., 0, :])
    return direct_each(mixed[..., 1:, :], site, layers, ends) + _written(beta, y, site)


def manifold_hyper(
    state: Streams,
    branch: Branch,
    site: Site,
    layers: Layers,
    streams: Annotated[int, Interval(1, 64)] = 4,
    sinkhorn_steps: Annotated[int, Interval(1, 1_000)] = 20,
    ends: Ends = "B",
) -> Streams:
    """Hyper-connections whose mixture of the streams is doubly stochastic: H h + p F(r h).

    mHC, Xie et al., arXiv 2512.24880: at each position the logits of all three are
    0.01 W RMSNorm(vec(h)) + b, with 0.01 learned, and r = sigmoid, p = 2 sigmoid and
    H = Sinkhorn(exp) of them. The head reads the sum of the streams. At first W is zero, H is the
    identity but for e^-8, and the logits of r and p are 1 for stream l mod n of block l and -1 for
    the others, as in hyper_conn/mhc.py of wz1119/KromHC: streams that start alike and were read
    and written alike would stay alike. The authors' own start of b is not known here.

    Args:
      streams: n.
      sinkhorn_steps: normalisations of the columns and then of the rows of H.
    """
    n = streams
    own = 2 * _one_hot(site, n) - 1
    start = jnp.concatenate([own, own, jnp.where(jnp.eye(n) > 0, 0.0, -8.0).ravel()])
    h = state.astype(layers.param_dtype)
    linear = layers.dense(
        n * n + 2 * n, use_bias=False, kernel_init=nn.initializers.zeros, name="dynamic"
    )
    logits = linear(rms_normalised(h.reshape(*h.shape[:3], -1)))
    scales = layers.numbers(0.01, (3,), name="dynamic_scale")
    biases = layers.numbers(
        lambda *_: start.astype(layers.param_dtype), (n * n + 2 * n,), name="static"
    )
    reads, writes, mixes = (
        scale * part + bias[None, None, None]
        for scale, part, bias in zip(
            scales,
            jnp.split(logits, [n, 2 * n], axis=-1),
            jnp.split(biases, [n, 2 * n]),
            strict=True,
        )
    )
    reads, writes = nn.sigmoid(reads), 2 * nn.sigmoid(writes)
    mixes = sinkhorn(mixes.reshape(*mixes.shape[:-1], n, n), sinkhorn_steps)
    y = branch((reads[..., None] * h).sum(-2).astype(state.dtype))
    mixed = jnp.einsum("...mn,...nc->...mc", mixes, h).astype(state.dtype)
    return direct_each(mixed, site, layers, ends) + _written(writes, y, site)


def two(x: Image, layers: Layers) -> Streams:
    """x as a residual and a transient stream."""
    return jnp.concatenate([x, x], axis=-1)


def resnet_in_resnet(
    state: Image, branch: Branch, site: Site, layers: Layers, ends: Ends = "B"
) -> Image:
    """r' = s(r) + F(r) + F2(t) and t' = F3(r) + F4(t), for a residual and a transient stream.

    The generalised residual block of ResNet in ResNet, Targ et al., arXiv 1603.08029, equation 1.
    The streams are the two halves of the channels, so that each has statistics of its own. As
    published, F is one convolution (model.branch=wide,kernels=(3,)) and norm and ReLU follow the
    sums (model.arrangement=bn_after_addition). Both streams start as the stem's image, and the head
    reads both.
    """
    residual, transient = jnp.split(state, 2, axis=-1)
    shortcut = direct(residual, site, layers, ends)
    return jnp.concatenate(
        [
            shortcut + branch(residual) + branch(transient, copy=2),
            branch(residual, copy=3) + branch(transient, copy=4),
        ],
        axis=-1,
    )


def halves(x: Image, layers: Layers) -> Streams:
    """The two halves of the channels as streams.

    Raises:
      UserError: the number of channels is odd.
    """
    if x.shape[-1] % 2:
        raise UserError(
            f"the stem's {x.shape[-1]} channels have no two halves, which this model.shortcut hands"
            " on: choose an even model.stem_width"
        )
    return jnp.stack(jnp.split(x, 2, axis=-1), axis=3)


def joined(state: Streams, layers: Layers) -> Image:
    """The channels of all streams, one stream after another."""
    return state.reshape(*state.shape[:3], -1)


def reversible(
    state: Streams, branch: Branch, site: Site, layers: Layers, ends: Ends = "pooled"
) -> Streams:
    """y1 = s(x1) + F(x2), y2 = s(x2) + G(y1), for the halves x1 and x2 of the channels.

    RevNet, Gomez et al., arXiv 1707.04585, section 3.1. x follows from y, so training keeps
    the outputs of each stage's first and last block alone, whatever its depth, and computes the
    others again. Each half has the features of its stage: RevNet-38 on CIFAR is a stem of 32 and
    widths of 16, 32 and 56 (32, 64 and 112 of both in cifar_configs.py of renmengye/revnet-public).
    """
    shortcuts = direct_each(state, site, layers, ends)
    first = shortcuts[..., 0, :] + branch(state[..., 1, :])
    second = shortcuts[..., 1, :] + branch(first, copy=2, stride=1)
    return jnp.stack([first, second], axis=3)


def reversible_inverse(state: Streams, branch: Branch, site: Site, layers: Layers) -> Streams:
    """x1 and x2 of `reversible`, from y1 and y2, in a block that keeps the shape."""
    first, second = state[..., 0, :], state[..., 1, :]
    second = second - branch(first, copy=2, stride=1)
    return jnp.stack([first - branch(second), second], axis=3)
