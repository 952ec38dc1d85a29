"""The learning-rate finder: how a run's loss behaves while its rate grows.

Smith, 'Cyclical Learning Rates', arXiv 1506.01186, section 3.3, with a rate that grows
exponentially and a smoothed loss.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from resnet_jax.training.dispatch import Dispatch
from resnet_jax.training.run import Run

# Share of the loss so far in the smoothed loss of a step.
SMOOTHING = 0.9
# The search ends where the smoothed loss is so many times its least value.
DIVERGED = 4.0


class Found(NamedTuple):
    """What a search found, a number for each step.

    Attributes:
      rates: of the steps.
      losses: mean over the batch before the step's update, in nats.
      smoothed: exponential means of the losses, without the bias to zero of the first ones.
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]

    @property
    def steepest(self) -> float:
        """The rate at which the smoothed loss falls fastest over the logarithm of the rate."""
        if len(self.rates) < 2:
            return self.rates[0]
        slopes = np.gradient(np.array(self.smoothed), np.log(self.rates))
        return self.rates[int(slopes.argmin())]

    @property
    def lowest(self) -> float:
        """The rate at which the smoothed loss is least."""
        return self.rates[int(np.argmin(self.smoothed))]


def find_rate(run: Run, lowest: float = 1e-6, highest: float = 10.0, steps: int = 200) -> Found:
    """Trains a new state of the run while the rate grows from `lowest` to `highest`.

    It ends early where the loss is no longer finite or has grown DIVERGED times. Nothing of the
    run is changed; its schedule and rate have no part in it.
    """
    growth = (highest / lowest) ** (1 / max(1, steps - 1))
    growing = replace(run.train_step, schedule=lambda step: growth**step)  # type: ignore[type-var]
    searched = run._replace(
        train_step=growing, numbers=run.numbers._replace(rate=lowest), steps=steps
    )
    dispatch, state = Dispatch([searched]), run.create_state()
    found, mean = Found([], [], []), 0.0
    for step in range(steps):
        state, (report,) = dispatch(state, step, 1)
        sums: Any = jax.device_get(report["sums"])
        loss = float(sums["loss"][0] / sums["examples"][0])
        if not np.isfinite(loss):
            break
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        found.rates.append(float(jax.device_get(report["learning_rate"])[0]))
        found.losses.append(loss)
        found.smoothed.append(mean / (1 - SMOOTHING ** (step + 1)))
        if found.smoothed[-1] > DIVERGED * min(found.smoothed):
            break
    return found
