"""How a network learns in a configuration's run: rate, optimizer, loss, mixing of images."""

from collections.abc import Callable

import optax
from ml_collections import ConfigDict

from resnet_jax.tables import configure
from resnet_jax.training import optim as optimizers
from resnet_jax.training import schedules
from resnet_jax.training.losses import LOSSES
from resnet_jax.training.mixing import Mixing
from resnet_jax.training.optim import Optimizer
from resnet_jax.training.steps import Objective, class_objective


def schedule(config: ConfigDict, *, steps: int, in_steps: Callable[[float], int]) -> optax.Schedule:
    """The schedule of `config.schedule`: factors of the peak rate.

    Args:
      steps: of the whole run.
      in_steps: from epochs to steps.
    """
    schedule = config.schedule
    options = {
        "decay_at": schedule.decay_at,
        "decay_factor": schedule.decay_factor,
        "power": schedule.power,
        "final": schedule.final,
        "rise": schedule.rise,
        "start": schedule.start,
    }
    return schedules.schedule(
        configure(schedules.SHAPES, schedule.name, "schedule", options),
        steps=steps,
        warmup_steps=in_steps(schedule.warmup_epochs),
        warmup=schedule.warmup,
        warmup_start=schedule.warmup_start,
    )


def optimizer(config: ConfigDict) -> Optimizer:
    """The optimizer of `config.optim`."""
    optim = config.optim
    options = {
        "momentum": optim.momentum,
        "b1": optim.b1,
        "b2": optim.b2,
        "eps": optim.eps,
        "trust": optim.trust,
        "adapt_all": optim.adapt_all,
    }
    return optimizers.optimizer(
        configure(optimizers.OPTIMIZERS, optim.name, "optimizer", options),
        decay_rule=optim.decay_rule,
        clip_norm=optim.clip_norm,
    )


def objective(config: ConfigDict) -> Objective:
    """The loss of `config.train`, with its targets."""
    train = config.train
    options = {"target_threshold": train.target_threshold}
    loss = configure(LOSSES, train.loss, "train.loss", options)
    return class_objective(loss, train.label_smoothing)


def mixing(config: ConfigDict, *, repeats: int) -> Mixing | None:
    """The mixing of images that `config.mixing` asks for, or None.

    Args:
      repeats: times that an example stands in a batch, in a row.
    """
    mixing = config.mixing
    chosen = Mixing(
        mixup=mixing.mixup,
        cutmix=mixing.cutmix,
        switch=mixing.switch,
        probability=mixing.probability,
        per_example=mixing.per_example,
        distance=repeats,
    )
    return chosen if chosen.mixup or chosen.cutmix else None
