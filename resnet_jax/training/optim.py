"""Optimizers as rows of data."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import optax

from resnet_jax.tables import Table, UserError, choose
from resnet_jax.training.decay import DECAY_RULES, decay_mask
from resnet_jax.training.optimizers.elementwise import adam, adamw, nadamw, nesterov, sgd
from resnet_jax.training.optimizers.gradients import Ascent
from resnet_jax.training.optimizers.groups import Group, grouped
from resnet_jax.training.optimizers.layerwise import lamb, lars, muon
from resnet_jax.training.optimizers.schedule_free import (
    averages,
    schedule_free_adamw,
    schedule_free_sgd,
)
from resnet_jax.training.optimizers.update import Params, Update

# (learning rate of update k, weight decay) -> transformation of gradients into updates. Its update
# may ask for `grad_fn`, which gives the batch's gradients at other parameters.
Optimizer = Callable[[optax.Schedule, Any], optax.GradientTransformation]


class Numbers(NamedTuple):
    """The numbers in which runs of one compiled step may differ, beside their seeds.

    Attributes:
      rate: the peak of the learning rate.
    """

    rate: Any
    weight_decay: Any


OPTIMIZERS = Table(
    "optimizer",
    {
        "sgd": sgd,
        "nesterov": nesterov,
        "adam": adam,
        "adamw": adamw,
        "nadamw": nadamw,
        "lars": lars,
        "lamb": lamb,
        "muon": muon,
        "schedule_free_sgd": schedule_free_sgd,
        "schedule_free_adamw": schedule_free_adamw,
    },
)


def optimizer(
    row: Callable[..., optax.GradientTransformation],
    *,
    decay_rule: str = "all",
    clip_norm: float | None = None,
    clip: optax.GradientTransformation | None = None,
    ascent: Ascent | None = None,
    groups: Sequence[Group] = (),
    in_steps: Callable[[float], int] = round,
) -> Optimizer:
    """Returns the optimizer of a run.

    Args:
      row: of OPTIMIZERS, its options set.
      decay_rule: a row of DECAY_RULES.
      clip_norm: gradients with a larger global norm are scaled down to it, before everything else.
      clip: a row of CLIPS, called with its options, for the gradients of single units after that.
      ascent: a row of ASCENTS, called with its options: where the gradients are taken.
      groups: rows of GROUPS, their options set.
      in_steps: epochs -> steps, for groups that learn in the first epochs alone.
    """
    rule = choose(DECAY_RULES, decay_rule, "optim.decay_rule")

    def chosen(learning_rate: optax.Schedule, weight_decay: Any) -> optax.GradientTransformation:
        update = Update(learning_rate, weight_decay, lambda params: decay_mask(rule, params))
        clips = [] if clip_norm is None else [optax.clip_by_global_norm(clip_norm)]
        clips += [] if clip is None else [clip]
        transformation = grouped(row, update, groups, in_steps) if groups else row(update)
        if clips:
            transformation = optax.chain(*clips, transformation)
        return transformation if ascent is None else ascent(transformation)

    return chosen


def scaled(
    transformation: optax.GradientTransformation, share_of: Callable[[Sequence[str]], float]
) -> optax.GradientTransformation:
    """The transformation with each parameter's update times its share; a share of 0 freezes it.

    An update contains the weight decay, so a frozen parameter does not decay either.

    Args:
      share_of: a parameter's path in the tree -> its share.
    """
    inner = optax.with_extra_args_support(transformation)

    def init(params: Params) -> optax.OptState:
        memory = inner.init(params)
        paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(params)]
        if averages(memory) and any(share_of([key.key for key in path]) != 1 for path in paths):
            raise UserError(
                "a schedule-free optimizer evaluates an average that finetune.frozen_parts,"
                " finetune.rate_decay and the fixed kernel of model.stem=whitening would tear from"
                " its steps: choose another optim.name, or leave these at their defaults"
            )
        return memory

    def update(
        updates: Params, state: optax.OptState, params: Params | None = None, **extra: Any
    ) -> tuple[Params, optax.OptState]:
        updates, state = inner.update(updates, state, params, **extra)

        def share(path: tuple, leaf: jax.Array) -> jax.Array:
            factor = share_of([key.key for key in path])
            return leaf if factor == 1 else factor * leaf

        return jax.tree_util.tree_map_with_path(share, updates), state

    return optax.GradientTransformationExtraArgs(init, update)
