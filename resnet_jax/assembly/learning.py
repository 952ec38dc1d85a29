"""How a network learns in a configuration's run: rate, optimizer, loss, mixing of images."""

from collections.abc import Callable, Sequence

import optax
from ml_collections import ConfigDict

from resnet_jax.assembly.choices import divided
from resnet_jax.models.parts import part_of, rate_shares
from resnet_jax.models.resnet import ResNet
from resnet_jax.training import optim as optimizers
from resnet_jax.training import schedules
from resnet_jax.training.lookahead import LOOKAHEADS, Lookahead
from resnet_jax.training.losses import LOSSES
from resnet_jax.training.mixing import Mixing
from resnet_jax.training.optim import Optimizer
from resnet_jax.training.optimizers.gradients import ASCENTS, CLIPS
from resnet_jax.training.optimizers.groups import GROUPS
from resnet_jax.training.steps import Objective, class_objective


def schedule(config: ConfigDict, *, steps: int, in_steps: Callable[[float], int]) -> optax.Schedule:
    """The schedule of `config.schedule`: factors of the peak rate.

    Args:
      steps: updates in the whole run.
      in_steps: epochs -> steps.
    """
    section = config.schedule.to_dict()
    warmup_steps = in_steps(section.pop("warmup_epochs"))
    general, choice = divided(section, schedules.schedule)
    return schedules.schedule(
        schedules.SHAPES.choose(choice),
        steps=steps,
        warmup_steps=warmup_steps,
        **general,
    )


def optimizer(config: ConfigDict, *, in_steps: Callable[[float], int]) -> Optimizer:
    """The optimizer of `config.optim`.

    Args:
      in_steps: epochs -> steps.
    """
    section = config.optim.to_dict()
    # The first two are Numbers, which runs of one compiled step may differ in.
    del section["rate"], section["weight_decay"], section["lookahead"]
    general, choice = divided(section, optimizers.optimizer)
    for key, table in (("clip", CLIPS), ("ascent", ASCENTS)):
        if general[key] is not None:
            general[key] = table.choose(general[key])()
    general["groups"] = [GROUPS.choose(group) for group in general["groups"]]
    row = optimizers.OPTIMIZERS.choose(choice)
    return optimizers.optimizer(row, **general, in_steps=in_steps)


def rate_share(config: ConfigDict, model: ResNet) -> Callable[[Sequence[str]], float]:
    """The path of a parameter -> its share of the learning rate; 0 where it does not learn."""
    stages = len(model.stage_depths)
    shares = rate_shares(stages, config.finetune.frozen_parts, config.finetune.rate_decay)
    return lambda path: 0.0 if model.fixes(path) else shares[part_of(path, stages)]


def lookahead(config: ConfigDict) -> Lookahead | None:
    """The slow weights of `config.optim`, or None."""
    choice = config.optim.to_dict()["lookahead"]
    return None if choice is None else LOOKAHEADS.choose(choice)()


def objective(config: ConfigDict) -> Objective:
    """The loss of `config.train`, with the smoothing of its targets."""
    train = config.train.to_dict()
    return class_objective(LOSSES.choose(train["loss"]), train["label_smoothing"])


def mixing(config: ConfigDict, *, repeats: int) -> Mixing | None:
    """The mixing of images that `config.mixing` asks for, or None.

    Args:
      repeats: how often each example stands in a batch, one beside the other.
    """
    chosen = Mixing(**config.mixing, distance=repeats)
    return chosen if chosen.mixup or chosen.cutmix else None
