"""Learning-rate schedules: a warm-up, then one of these shapes over the steps that remain."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import jax.numpy as jnp
import optax
from jaxtyping import Array

from resnet_jax.tables import Table, UserError, choose
from resnet_jax.tables.constraints import Interval, Rising
from resnet_jax.tables.domains import Positive, Probability, Share

Inside = Annotated[float, Interval(0, 1, above=True, below=True)]
Fractions = Annotated[tuple[Inside, ...], Rising(strictly=True)]

# (steps that the shape lasts, steps before it) -> a schedule over its own steps, as factors of the
# peak rate
Shape = Callable[..., optax.Schedule]


def constant(steps: int, before: int) -> optax.Schedule:
    """The peak rate throughout."""
    return optax.constant_schedule(1.0)


def step(
    steps: int, before: int, decay_at: Fractions = (0.5, 0.75), decay_factor: Share = 0.1
) -> optax.Schedule:
    """Multiplied by `decay_factor` at each fraction of the whole run in `decay_at`."""
    boundaries: dict[int, float] = {}
    for at in decay_at:
        boundary = round(at * (before + steps)) - before
        # In a short run two fractions can be one step.
        boundaries[boundary] = boundaries.get(boundary, 1.0) * decay_factor
    return optax.piecewise_constant_schedule(1.0, boundaries)


def cosine(steps: int, before: int, final: Probability = 0.0) -> optax.Schedule:
    """Half a cosine from 1 to `final` (Loshchilov & Hutter, arXiv 1608.03983, without restarts)."""
    return optax.cosine_decay_schedule(1.0, steps, alpha=final)


def one_cycle(
    steps: int, before: int, rise: Inside = 0.3, start: Share = 1 / 25, final: Share = 1e-4
) -> optax.Schedule:
    """Up from `start` to 1 over the fraction `rise`, then down to `start * final`, both in cosines.

    Smith & Topin, arXiv 1708.07120, in the form and with the corners of PyTorch's OneCycleLR: the
    peak is at step `rise * steps - 1`, which need not be whole, and the end at the last step.
    """
    top, last = rise * steps - 1, steps - 1

    def factor(step: Any) -> Array:
        up = _half_cosine(start, 1.0, step / max(top, 1e-9))
        down = _half_cosine(1.0, start * final, (step - top) / max(last - top, 1e-9))
        return jnp.where(step <= top, up, down)

    return factor


def _half_cosine(first: float, last: float, share: Array) -> Array:
    """From `first` at 0 to `last` at 1 and after it."""
    return last + (first - last) * (1 + jnp.cos(jnp.pi * jnp.clip(share, 0, 1))) / 2


def polynomial(
    steps: int,
    before: int,
    power: Positive = 1.0,
    final: Probability = 0.0,
    length: Share = 1.0,
) -> optax.Schedule:
    """From 1 to `final` as (1 - t)^power; power 1 is a straight line.

    Args:
      length: share of the shape's steps that the descent takes; `final` stays for the others.
    """
    return optax.polynomial_schedule(1.0, final, power, max(1, int(length * steps)))


def stable_decay(
    steps: int,
    before: int,
    decay: Share = 0.2,
    final: Probability = 0.0,
    decay_shape: Literal["linear", "square_root"] = "square_root",
) -> optax.Schedule:
    """The peak rate, then a decay at the end: warm-up, stable, decay (schedule.warmup_epochs).

    Hu et al., arXiv 2404.06395, section 4. The shapes are those of Haegele et al.,
    arXiv 2405.18392, section 3, where 20% with 1 - sqrt(t) did best.

    Args:
      decay: share of the whole run that the decay takes; it begins after the warm-up at the
        earliest.
      decay_shape: 1 - t or 1 - sqrt(t), times 1 - final, plus final.
    """
    length = min(steps, max(1, round(decay * (before + steps))))

    def factor(step: Any) -> Array:
        share = jnp.clip((step - (steps - length)) / length, 0, 1)
        fallen = jnp.sqrt(share) if decay_shape == "square_root" else share
        return 1 - (1 - final) * fallen

    return factor


SHAPES = Table(
    "schedule",
    {
        "constant": constant,
        "step": step,
        "cosine": cosine,
        "one_cycle": one_cycle,
        "polynomial": polynomial,
        "stable_decay": stable_decay,
    },
)


def _gradual(start: float, steps: int) -> optax.Schedule:
    return optax.linear_schedule(start, 1.0, steps)


def _constant_warmup(start: float, steps: int) -> optax.Schedule:
    return optax.constant_schedule(start)


# Goyal et al., arXiv 1706.02677, section 2.2.
WARMUPS = {"gradual": _gradual, "constant": _constant_warmup}


def schedule(
    shape: Shape,
    *,
    steps: int,
    warmup_steps: int = 0,
    warmup: str = "gradual",
    warmup_start: float = 0.0,
) -> optax.Schedule:
    """Returns the learning rate of update k = 0, 1, ... as a factor of the peak rate.

    Args:
      shape: a row of SHAPES, its options set.
      steps: updates in the whole run.
      warmup_steps: updates before the shape begins.
      warmup: 'gradual' rises in a straight line to the peak, 'constant' stays at the start.
      warmup_start: factor of the peak at step 0.
    """
    rise = choose(WARMUPS, warmup, "schedule.warmup")
    if warmup_steps >= steps:
        raise UserError(
            f"a warm-up of {warmup_steps} steps leaves none of the run's {steps}: shorten"
            " schedule.warmup_epochs or train longer"
        )
    factors = shape(steps - warmup_steps, warmup_steps)
    if warmup_steps:
        factors = optax.join_schedules([rise(warmup_start, warmup_steps), factors], [warmup_steps])
    return factors
