"""Connections to all earlier blocks, whose state grows from block to block."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnet_jax.models.connections.ends import Ends, changes_shape, direct
from resnet_jax.models.connections.record import Branch, Site
from resnet_jax.models.connections.streams import Streams, direct_each
from resnet_jax.models.connections.updates import rms_normalised
from resnet_jax.models.layers import Layers
from resnet_jax.models.pooling import average_pool
from resnet_jax.tables.domains import PositiveInt, Share

Image = Float[Array, "batch height width channels"]


def concatenation(
    x: Image, branch: Branch, site: Site, layers: Layers, compression: Share = 0.5
) -> Image:
    """y = [x, F(x)]: DenseNet's concatenation of all earlier outputs.

    Huang et al., arXiv 1608.06993, equation 2. A stage's width is its growth rate. Between stages
    stands the transition of DenseNet-C (section 3): norm, ReLU, a 1x1 convolution to `compression`
    of the channels, and means of 2x2.
    """
    if site.stride > 1:
        if not layers.norm.absent:
            x = layers.make_norm(name="transition_norm")(x)
        x = x if layers.norm.activates else layers.activate(x)
        conv = layers.conv(max(1, int(compression * x.shape[-1])), 1, name="transition")
        x = average_pool(conv(x), site.stride)
    return jnp.concatenate([x, branch(x, stride=1)], axis=-1)


def fused(x: Image, branch: Branch, site: Site, layers: Layers, ends: Ends = "B") -> Image:
    """y = W [s(x), F(x)]: both paths concatenated and fused by a 1x1 convolution.

    The baseline `dense_shortcut` of MLS-Bench's task dl-residual-connection, which says no more
    of it than that.
    """
    both = jnp.concatenate([direct(x, site, layers, ends), branch(x)], axis=-1)
    return layers.conv(site.features, 1, name="fusion")(both)


def one(x: Image, layers: Layers) -> Streams:
    """x as the only stream."""
    return x[:, :, :, None]


def newest(state: Streams, layers: Layers) -> Image:
    """The last stream."""
    return state[:, :, :, -1]


def dense_sum(
    state: Streams, branch: Branch, site: Site, layers: Layers, ends: Ends = "B"
) -> Streams:
    """x_l = F(x_(l-1)) + sum_(i<l) w_li x_i over all earlier outputs x_i of a stage.

    DenseNet's connections with sums in place of concatenation; it has no paper. Each w_li is a
    learned number for each channel, 1 for the block before and 0 for those before it at first: the
    residual network.
    """
    x = newest(state, layers)
    earlier = state
    if changes_shape(x, site.features, site.stride):
        earlier = direct(x, site, layers, ends)[:, :, :, None]
    count, features = earlier.shape[3:]

    def start(*_: object) -> Array:
        return jnp.zeros((count, features), layers.param_dtype).at[-1].set(1)

    weights = layers.numbers(start, (count, features), name="weights").astype(x.dtype)
    y = branch(x) + (weights[None, None, None] * earlier).sum(axis=3)
    return jnp.concatenate([earlier, y[:, :, :, None]], axis=3)


def attended(state: Streams, layers: Layers, name: str = "head_query") -> Image:
    """The mean of all streams, weighed at each position by softmax(q . RMSNorm(stream))."""
    if state.shape[3] == 1:
        return state[:, :, :, 0]
    values = state.astype(layers.param_dtype)
    query = layers.numbers(0.0, (state.shape[-1],), name=name)
    scores = jnp.einsum("...mc,c->...m", rms_normalised(values), query)
    mean = jnp.einsum("...m,...mc->...c", jax.nn.softmax(scores), values)
    return mean.astype(state.dtype)


def attention(
    state: Streams,
    branch: Branch,
    site: Site,
    layers: Layers,
    groups: PositiveInt | None = None,
    ends: Ends = "A",
) -> Streams:
    """x_l = sum_i a_i v_i, v_l = F(x_l), with a the softmax of q_l . RMSNorm(v_i) over all i < l.

    Attention Residuals, Kimi Team, arXiv 2603.15031, equations 2 to 4; v_0 is the stem's image. q
    is learned, zero at first, so that x_l is the mean of the v_i. The head reads such a mean too.
    Where the shape changes, all v_i take the same shortcut.

    Args:
      groups: the blocks of so many groups, of equal sizes, are summed in one v each (Block
        Attention Residuals, section 3.2; 8 in the paper); None: each block is its own.
    """
    y = branch(attended(state, layers, name="query"))
    values = direct_each(state, site, layers, ends)
    if groups is None or _opens_group(site.number, site.blocks, groups):
        return jnp.concatenate([values, y[:, :, :, None]], axis=3)
    summed = values[:, :, :, -1] + y
    return jnp.concatenate([values[:, :, :, :-1], summed[:, :, :, None]], axis=3)


def _opens_group(number: int, blocks: int, groups: int) -> bool:
    """Whether block `number` is the first of its group; the first groups may be larger by one."""
    size, larger = divmod(blocks, groups)
    before = number - 1
    if before < larger * (size + 1):
        return before % (size + 1) == 0
    return size > 0 and (before - larger * (size + 1)) % size == 0
