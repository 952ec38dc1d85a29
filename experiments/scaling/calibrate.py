"""Fits what chips reach of their peaks to measured steps, and tells the error on other steps.

    python experiments/scaling/calibrate.py

reads measured.json beside this file: steps measured on an H200 with the kernels that the CUDA
compiler made of them, and times of ResNet-50 that Google published for TPU v4. The shares that it
prints stand in resnet_jax/planning/calibration.py.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import least_squares

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from resnet_jax.planning import calibration, slices  # noqa: E402
from resnet_jax.planning.calibration import Shares, on_card  # noqa: E402
from resnet_jax.planning.cards import CARDS  # noqa: E402
from resnet_jax.planning.compiled import Collective  # noqa: E402
from resnet_jax.planning.kernels import Kernel  # noqa: E402
from resnet_jax.planning.scaling import CompiledStep, predict  # noqa: E402


class Step(NamedTuple):
    """A step that somebody timed.

    Attributes:
      fitted: whether the shares are fitted to it.
      seconds: measured.
      expected: seconds, as planning has it.
    """

    name: str
    fitted: bool
    seconds: float
    expected: float

    @property
    def error(self) -> float:
        """Of the expectation, as a share of the measured time."""
        return self.expected / self.seconds - 1


def read() -> dict[str, Any]:
    return json.loads((HERE / "measured.json").read_text())


def kernels(step: dict[str, Any]) -> list[Kernel]:
    """Those with arithmetic one by one, all others as so many of their mean traffic."""
    names = ("reads", "flops", "bytes", "count")
    rows = (dict(zip(names, row, strict=True)) for row in step["kernels"])
    return [Kernel(name="", writes="", shapes="", **row) for row in rows]


def card_steps(record: dict[str, Any], shares: Shares = calibration.CARD_SHARES) -> list[Step]:
    card = CARDS[record["card"]]
    return [
        Step(
            step["name"],
            step["fitted"],
            step["images"] / step["images_per_second"],
            on_card(card, kernels(step), shares).step,
        )
        for step in record["steps"]
    ]


def card_ratios(record: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Speed of other cards to the measured one: published for another code, and expected here."""
    (step,) = (step for step in record["steps"] if step["images"] == 512)
    published = record["published"]["images_per_second"]
    own = record["card"]
    times = {name: on_card(CARDS[name], kernels(step)).step for name in published}
    return {
        name: (published[name] / published[own], times[own] / times[name])
        for name in published
        if name != own
    }


def chip_steps(record: dict[str, Any]) -> list[Step]:
    program = record["program"]
    compiled = CompiledStep(**{**program, "collectives": tuple(
        Collective("all-reduce", 1, program["collectives"]["bytes"] // number)
        for number in [program["collectives"]["number"]] for _ in range(number)
    )})  # fmt: skip
    found = []
    for run in record["runs"]:
        on = slices.parse(run["on"])
        expected = predict(compiled, on, run["batch"]).step_time
        name = f"{run['on']}, {run['batch'] // on.chips} a chip, {run['round']}"
        seconds = run["batch"] / run["images_per_second"]
        found.append(Step(name, run["fitted"], seconds, expected))
    return found


def fit(record: dict[str, Any]) -> Shares:
    """The shares with the least squares of the logarithms of expected over measured times."""

    def errors(values: Sequence[float]) -> list[float]:
        steps = card_steps(record, Shares(values[0], values[1], values[2] * 1e-6))
        return [np.log1p(step.error) for step in steps if step.fitted]

    bounds = ([0.1, 0.1, 0.0], [1.0, 1.0, 20.0])
    bandwidth, arithmetic, start = least_squares(errors, [0.8, 0.5, 2.0], bounds=bounds).x
    return Shares(bandwidth, arithmetic, start * 1e-6)


def fit_chip(record: dict[str, Any]) -> float:
    """The share that makes the fitted run's expected time the measured one."""
    low, high = 0.1, 1.0
    (run,) = (run for run in record["runs"] if run["fitted"])
    on = slices.parse(run["on"])
    program = record["program"]
    alone = max(program["flops"] / on.chip.flops, program["bytes"] / on.chip.bandwidth)
    exchange = record["program"]["collectives"]
    waits = on.exchange_time(exchange["bytes"], 0, exchange["number"])
    assert run["batch"] == program["images"] * on.chips
    return float(np.clip(alone / (run["batch"] / run["images_per_second"] - waits), low, high))


def table(steps: Sequence[Step]) -> str:
    lines = ["| step | measured ms | expected ms | error | |", "|---|---|---|---|---|"]
    lines += [
        f"| {step.name} | {1e3 * step.seconds:.2f} | {1e3 * step.expected:.2f} |"
        f" {step.error:+.0%} | {'fitted' if step.fitted else ''} |"
        for step in steps
    ]
    return "\n".join(lines)


def summary(steps: Sequence[Step]) -> str:
    errors = [step.error for step in steps if not step.fitted]
    return (
        f"not fitted: {min(errors):+.0%} to {max(errors):+.0%},"
        f" {np.mean(np.abs(errors)):.0%} on average"
    )


if __name__ == "__main__":
    record = read()
    for steps in (card_steps(record["cards"]), chip_steps(record["chips"])):
        print(f"{table(steps)}\n{summary(steps)}\n")
    for name, (published, expected) in card_ratios(record["cards"]).items():
        print(
            f"{name} to {record['cards']['card']}: published {published:.2f}, {expected:.2f} here"
        )
    print(fit(record["cards"]))
    print(f"CHIP_SHARE = {fit_chip(record['chips']):.3f}")
