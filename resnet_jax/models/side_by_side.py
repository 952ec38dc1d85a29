"""Convolutions of several networks at once, their channels side by side, for a GPU.

Under `jax.vmap` over networks whose kernels differ, a convolution becomes one in as many groups as
there are networks, each as narrow as the network is, and leaves most of a GPU's matrix units idle.
Here so many networks share a group that it is up to WIDTH channels wide; their kernels are the
blocks on the diagonal of the group's kernel. That is more arithmetic, on zeros, in fewer and wider
products. A single network computes what `convolution.lax_convolution` does.

Networks don't meet: where one of them holds a value that is not finite, its own results are NaN and
the others' are what they would be without it. Derivatives are of first order and in reverse mode.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float

from resnet_jax.models.convolution import Padding, Pair, lax_convolution

# Channels of a group. Tensor cores multiply at full rate from about here on.
WIDTH = 128


def convolution_side_by_side(
    inputs: Float[Array, "batch height width channels"],
    kernel: Float[Array, "rows columns channels_in_group features"],
    strides: Sequence[int],
    padding: Sequence[Pair],
    *,
    feature_group_count: int = 1,
    rhs_dilation: Sequence[int] = (1, 1),
    **_: Any,
) -> Float[Array, "batch height_out width_out features"]:
    """As `models.convolution.convolution`, which leaves the same convolutions to JAX."""
    (down, right), (rows, columns) = strides, padding
    geometry, dilation = ((down, right), (rows, columns)), (rhs_dilation[0], rhs_dilation[1])
    if feature_group_count > 1 or dilation != (1, 1):
        return lax_convolution(inputs, kernel, *geometry, feature_group_count, dilation)
    return _convolution(inputs, kernel, *geometry)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolution(x: Array, kernel: Array, strides: Pair, padding: Padding) -> Array:
    convolve = partial(lax_convolution, strides=strides, padding=padding)

    def together(x: Array, kernels: Array) -> Array:
        """The convolutions of all networks, whose arrays have a leading axis."""
        finite, unharmed = _finite(x)
        y = _grouped(convolve, len(x))(_side_by_side(finite), kernels.astype(x.dtype))
        return _poisoned(_apart(y, len(x)), unharmed)

    return _batched(convolve, together)(x, kernel)


def _forward(x: Array, kernel: Array, strides: Pair, padding: Padding) -> Any:
    return _convolution(x, kernel, strides, padding), (x, kernel)


def _backward(strides: Pair, padding: Padding, saved: tuple[Array, Array], gradient: Array) -> Any:
    x, kernel = saved
    convolve = partial(lax_convolution, strides=strides, padding=padding)

    def of_inputs(gradient: Array, kernel: Array) -> Array:
        return jax.linear_transpose(lambda x: convolve(x, kernel), x)(gradient)[0]

    def of_inputs_together(gradients: Array, kernels: Array) -> Array:
        members, (batch, *size, channels) = len(gradients), x.shape
        finite, unharmed = _finite(gradients)
        wide = jax.ShapeDtypeStruct((batch, *size, members * channels), x.dtype)
        grouped = _grouped(convolve, members)
        transposed = jax.linear_transpose(lambda wide: grouped(wide, kernels.astype(x.dtype)), wide)
        return _poisoned(_apart(transposed(_side_by_side(finite))[0], members), unharmed)

    def of_kernel(x: Array, gradient: Array) -> Array:
        return jax.linear_transpose(lambda kernel: convolve(x, kernel), kernel)(gradient)[0]

    def of_kernel_together(xs: Array, gradients: Array) -> Array:
        """The diagonal's blocks of each group's gradient, which no other network touches."""
        members = len(xs)
        group = _networks_in_a_group(members, max(kernel.shape[2:]))
        groups = members // group
        rows, columns, channels, features = kernel.shape
        wide = jax.ShapeDtypeStruct(
            (rows, columns, group * channels, group * features), kernel.dtype
        )
        products = [
            jax.linear_transpose(partial(convolve, one), wide)(its_gradient)[0]
            for one, its_gradient in zip(
                jnp.split(_side_by_side(xs), groups, axis=3),
                jnp.split(_side_by_side(gradients), groups, axis=3),
                strict=True,
            )
        ]
        shape = groups, rows, columns, group, channels, group, features
        blocks = jnp.diagonal(jnp.stack(products).reshape(shape), axis1=3, axis2=5)
        return jnp.moveaxis(blocks, -1, 1).reshape(members, *kernel.shape)

    return (
        _batched(of_inputs, of_inputs_together)(gradient, kernel),
        _batched(of_kernel, of_kernel_together)(x, gradient),
    )


_convolution.defvjp(_forward, _backward)


def _batched(
    one: Callable[[Array, Array], Array], together: Callable[[Array, Array], Array]
) -> Callable[[Array, Array], Array]:
    """`one`, which `jax.vmap` over both arguments turns into `together`."""
    function = custom_vmap(one)

    @function.def_vmap
    def _(size: int, batched: list[bool], *arguments: Array) -> tuple[Array, bool]:
        if all(batched):
            return together(*arguments), True
        axes = [0 if is_batched else None for is_batched in batched]
        return jax.vmap(one, in_axes=axes)(*arguments), True

    return function


def _grouped(convolve: Callable[..., Array], members: int) -> Callable[[Array, Array], Array]:
    """Returns (inputs side by side, kernels with a leading axis) -> outputs side by side."""

    def function(x: Array, kernels: Array) -> Array:
        group = _networks_in_a_group(members, max(kernels.shape[3:]))
        return convolve(x, _on_diagonals(kernels, group), groups=members // group)

    return function


def _networks_in_a_group(members: int, channels: int) -> int:
    fitting = [n for n in range(1, members + 1) if members % n == 0 and n * channels <= WIDTH]
    return max(fitting, default=1)


def _on_diagonals(kernels: Array, group: int) -> Array:
    """[network, rows, columns, channel, feature] -> kernels of groups of networks.

    Returns:
      [rows, columns, group x channel, network x feature], zero between different networks.
    """
    members, rows, columns, channels, features = kernels.shape
    shape = members // group, 1, group, rows, columns, channels, features
    same = jnp.eye(group, dtype=bool)[None, :, :, None, None, None, None]
    # [groups, network of the channel, network of the feature, rows, columns, channel, feature]
    wide = jnp.where(same, kernels.reshape(shape), 0)
    return wide.transpose(3, 4, 1, 5, 0, 2, 6).reshape(
        rows, columns, group * channels, members * features
    )


def _side_by_side(x: Array) -> Array:
    """[network, batch, height, width, channel] -> [batch, height, width, network x channel]."""
    return jnp.moveaxis(x, 0, 3).reshape(*x.shape[1:4], -1)


def _apart(y: Array, members: int) -> Array:
    """[batch, height, width, network x feature] -> [network, batch, height, width, feature]."""
    return jnp.moveaxis(y.reshape(*y.shape[:3], members, -1), 3, 0)


def _finite(x: Array) -> tuple[Array, Array]:
    """x without its values that are not finite, and which networks have none: 0 x inf is NaN."""
    finite = jnp.isfinite(x)
    return jnp.where(finite, x, 0), finite.all(axis=(1, 2, 3, 4))


def _poisoned(y: Array, unharmed: Array) -> Array:
    return jnp.where(unharmed[:, None, None, None, None], y, jnp.nan)
