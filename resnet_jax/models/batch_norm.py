"""Batch normalisation. Statistics are computed in at least float32 whatever the compute type."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from resnet_jax.tables import UserError

Dtype = Any


class BatchNorm(nn.Module):
    """Batch normalisation with an explicit statistics group (Ioffe & Szegedy, arXiv 1502.03167).

    In training every `group_size` consecutive examples are normalised by their own mean and
    (biased) variance, so a result depends on this number and not on how many devices share the
    batch. The running averages move once a step towards the mean over the groups.

    Attributes:
      train: use the batch's statistics and update the running ones, else use the running ones.
      group_size: examples that share statistics; None is the whole batch.
      momentum: weight of the old running average.
      epsilon: added to the variance.
      frozen: use the running statistics in training too, and pass no gradient to scale and bias.
      dtype: of the output.
      scaled: whether it learns a factor of each channel.

    Raises:
      UserError: `scale_init` is given for a norm without a scale.
    """

    train: bool
    group_size: int | None = None
    momentum: float = 0.9
    epsilon: float = 1e-5
    frozen: bool = False
    dtype: Dtype = jnp.float32
    param_dtype: Dtype = jnp.float32
    scale_init: nn.initializers.Initializer = nn.initializers.ones
    scaled: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "batch *space channels"], rectify: bool = False) -> Array:
        """The normalised x, or what ReLU makes of it."""
        if not self.scaled and self.scale_init is not nn.initializers.ones:
            raise UserError(
                "model.zero_init_branch starts with the scales of norms, and norm.scale=False"
                " leaves them out: set one of the two otherwise"
            )
        channels = x.shape[-1]
        shape = (channels,)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, shape, self.param_dtype)
        running_var = self.variable("batch_stats", "var", jnp.ones, shape, self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros, shape, self.param_dtype)

        if self.frozen:
            bias = lax.stop_gradient(bias)
        if self.train and not self.frozen:
            grouped = _grouped(x, self.group_size)
            mean, var = _moments(grouped.astype(self.param_dtype))
            if not self.is_initializing():
                for running, batch in ((running_mean, mean), (running_var, var)):
                    change = (1 - self.momentum) * batch.mean(axis=0)
                    running.value = self.momentum * running.value + change
        else:
            grouped, mean, var = x[None], running_mean.value[None], running_var.value[None]

        multiplier = lax.rsqrt(var + self.epsilon)
        if self.scaled:
            scale = self.param("scale", self.scale_init, shape, self.param_dtype)
            scale = lax.stop_gradient(scale) if self.frozen else scale
            multiplier = _for_groups(scale, len(mean)) * multiplier
        offset = _for_groups(bias, len(mean)) - mean * multiplier
        spread = partial(jnp.expand_dims, axis=tuple(range(1, x.ndim)))
        multiplier, offset = spread(multiplier), spread(offset)
        if rectify:
            return rectified(grouped, multiplier, offset, self.dtype).reshape(x.shape)
        y = grouped * multiplier + offset
        return y.reshape(x.shape).astype(self.dtype)


def _repeat(parameter: Array, groups: int) -> Array:
    """[channels] -> [groups, channels]."""
    return jnp.broadcast_to(parameter, (groups, *parameter.shape))


_for_groups = jax.custom_vjp(_repeat, nondiff_argnums=(1,))


def _forward(parameter: Array, groups: int) -> tuple[Array, None]:
    # `_repeat` and not `_for_groups`, since `jvp` of `grad` differentiates this function.
    return _repeat(parameter, groups), None


def _backward(groups: int, _: None, gradient: Array) -> tuple[Array]:
    # For a GPU, XLA would sum over the whole batch anew, in place of adding up the groups' sums.
    if groups > 1:
        apart, together = lax.optimization_barrier, lambda gradient: gradient
        gradient = lax.platform_dependent(gradient, cuda=apart, default=together)
    return (gradient.sum(axis=0),)


_for_groups.defvjp(_forward, _backward)


def rectified(x: Array, multiplier: Array, offset: Array, dtype: Dtype) -> Array:
    """relu(multiplier x + offset), with a gradient formulated for the platform it is lowered for.

    The gradient that ReLU masks is summed, for multiplier and offset, and then scaled. For a GPU,
    XLA would write it out between the two; on CUDA it is masked twice instead. Of a single group,
    XLA would keep the comparison then, so there nothing is rewritten.
    """
    if len(x) == 1:
        return rectified_plainly(dtype, x, multiplier, offset)
    return lax.platform_dependent(
        x,
        multiplier,
        offset,
        cuda=partial(masked_twice, dtype),
        default=partial(rectified_plainly, dtype),
    )


def rectified_plainly(dtype: Dtype, x: Array, multiplier: Array, offset: Array) -> Array:
    """See `rectified`."""
    return nn.relu((x * multiplier + offset).astype(dtype))


masked_twice = jax.custom_vjp(rectified_plainly, nondiff_argnums=(0,))


def _rectified_forward(
    dtype: Dtype, x: Array, multiplier: Array, offset: Array
) -> tuple[Array, tuple[Array, Array, Array]]:
    return rectified_plainly(dtype, x, multiplier, offset), (x, multiplier, offset)


def _rectified_backward(
    dtype: Dtype, saved: tuple[Array, Array, Array], gradient: Array
) -> tuple[Array, ...]:
    x, multiplier, offset = saved

    def gradients(multiplier: Array, offset: Array, gradient: Array) -> tuple[Array, ...]:
        return jax.vjp(partial(rectified_plainly, dtype), x, multiplier, offset)[1](gradient)

    _, *of_parameters = gradients(multiplier, offset, gradient)
    # Behind the barrier XLA does not see that the same is masked again.
    of_x, *_ = gradients(*lax.optimization_barrier((multiplier, offset, gradient)))
    return of_x, *of_parameters


masked_twice.defvjp(_rectified_forward, _rectified_backward)


def _grouped(x: Array, group_size: int | None) -> Array:
    """[batch, ...] -> [groups, group size, ...]; a batch no larger than a group is one group."""
    batch = x.shape[0]
    if group_size is None or batch <= group_size:
        return x[None]
    if batch % group_size:
        raise UserError(
            f"a batch of {batch} can't be split into statistics groups of {group_size}: choose a"
            " norm.group_size that divides the examples of one forward pass"
        )
    return x.reshape(batch // group_size, group_size, *x.shape[1:])


def _moments(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance of each group and channel, as [groups, channels].

    Both sums read x once; the difference of squares can fall below zero by rounding.
    """
    axes = tuple(range(1, x.ndim - 1))
    mean = x.mean(axes)
    mean_square = (x * x).mean(axes)
    return mean, jnp.maximum(mean_square - mean * mean, 0)
