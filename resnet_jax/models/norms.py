"""Normalisation layers. Statistics are computed in at least float32 whatever the compute type."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from resnet_jax.models.activating_norms import evo_norm, filter_response_norm
from resnet_jax.tables import Table, UserError
from resnet_jax.tables.domains import BelowOne, Positive, PositiveInt

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


def batch_norm(
    group_size: PositiveInt | None = None,
    momentum: BelowOne = 0.9,
    epsilon: Positive = 1e-5,
    scale: bool = True,
    frozen: bool = False,
):
    """Batch normalisation.

    Args:
      group_size: examples that share statistics; None is the whole batch.
      momentum: weight of the old running average.
      epsilon: added to the variance.
      scale: whether it learns a factor of each channel; fast recipes for CIFAR-10 leave it out
        (Jordan, arXiv 2404.00498, airbench94.py).
      frozen: statistics, scale and bias stay as they are, as where a detector is trained with few
        images in a batch. An optimizer of one's own must leave scale and bias out of its weight
        decay; `models.parts.is_norm` knows them.
    """
    return partial(
        BatchNorm,
        group_size=group_size,
        momentum=momentum,
        epsilon=epsilon,
        scaled=scale,
        frozen=frozen,
    )


def group_norm(channel_groups: PositiveInt = 32, epsilon: Positive = 1e-6):
    """Group normalisation (Wu & He, arXiv 1803.08494).

    Each example is normalised by its own statistics, so `train` has no effect. With fewer channels
    than groups, each channel is a group.
    """

    def layer(*, train: bool, name: str, dtype: Dtype, param_dtype: Dtype, **options: Any):
        def normalise(x: Array) -> Array:
            groups = min(channel_groups, x.shape[-1])
            if x.shape[-1] % groups:
                raise UserError(
                    f"{x.shape[-1]} channels can't be split into {groups} groups: choose a"
                    " norm.channel_groups that divides the width of every stage"
                )
            norm = nn.GroupNorm(groups, epsilon=epsilon, name=name, dtype=dtype,
                                param_dtype=param_dtype, **options)  # fmt: skip
            return norm(x)

        return normalise

    return layer


class Affine(nn.Module):
    """a x + b, with a and b learned for each channel."""

    train: bool
    dtype: Dtype = jnp.float32
    param_dtype: Dtype = jnp.float32
    scale_init: nn.initializers.Initializer = nn.initializers.ones

    @nn.compact
    def __call__(self, x: Float[Array, "batch *space channels"]) -> Array:
        shape = (x.shape[-1],)
        scale = self.param("scale", self.scale_init, shape, self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros, shape, self.param_dtype)
        spread = (1,) * (x.ndim - 1)
        y = x * scale.reshape(*spread, -1) + bias.reshape(*spread, -1)
        return y.astype(self.dtype)


def affine():
    """a x + b for each channel, without statistics.

    Gain and bias of the convolutions of normaliser-free networks (Brock et al., arXiv 2101.08692
    and 2102.06171), whose kernels are standardised: model.weight_epsilon and model.weight_gain.
    """
    return Affine


def no_norm() -> None:
    """No normalisation: norms fall out of every arrangement, and convolutions get a bias."""


def fixup() -> None:
    """Fixup in place of norms (Zhang et al., arXiv 1901.09321, section 3).

    A scalar bias stands before every convolution, activation and the head; a learned factor,
    1 at first, multiplies each branch. The last kernel of a branch and the head start at zero; the
    branch's other initial kernels are divided by L^(1/(2m-2)) for L branches of m convolutions.
    """


@dataclass(frozen=True)
class Norm:
    """A kind of normalisation.

    Attributes:
      function: takes the options and returns a maker of layers; the maker takes (train, dtype,
        param_dtype, name, scale_init) and returns a function or module of x.
      activates: whether it holds its own activation, so that no other follows it.
      running: whether it keeps running averages under `batch_stats`; it then has an option
        `momentum`, the weight of the old average.
      folds: whether it is scale (x - mean) / sqrt(var + epsilon) + bias in evaluation, so that it
        can be folded into the convolution before it; it then has an option `epsilon`.
      rectifies: whether its layer takes `rectify`, and then computes the ReLU behind it as well.
      absent: whether it makes no layer.
      fixup: whether the network is built as Fixup has it.
    """

    function: Callable[..., Any]
    activates: bool = False
    running: bool = False
    folds: bool = False
    rectifies: bool = False
    absent: bool = False
    fixup: bool = False


NORMS = Table(
    "norm",
    {
        "batch": Norm(batch_norm, running=True, folds=True, rectifies=True),
        "group": Norm(group_norm),
        "evo": Norm(evo_norm, activates=True),
        "filter_response": Norm(filter_response_norm, activates=True),
        "affine": Norm(affine),
        "none": Norm(no_norm, absent=True),
        "fixup": Norm(fixup, absent=True, fixup=True),
    },
    Norm,
)
