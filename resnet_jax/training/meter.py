"""Turns the reports of training steps into lines of metrics, one step late."""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, runtime_checkable

import jax

from resnet_jax.tables import Diverged

Metrics = dict[str, Any]
# Figures of the clock, in which equal runs differ.
TIMES = ("images_per_second", "compile_seconds", "eval/seconds")


class Reporter(Protocol):
    """Where a run's metrics go; see reporting."""

    def rewind(self, step: int) -> None: ...
    def write(self, step: int, metrics: Metrics) -> None: ...


@runtime_checkable
class Watcher(Protocol):
    """A reporter that shows as well what happens between two lines."""

    def reached(self, step: int) -> None:
        """Says that the updates up to `step` are under way."""

    def compiling(self) -> AbstractContextManager[None]:
        """Is entered while a step is compiled."""
        ...


class Meter:
    """Fetches a step's report while the next step computes, checks it, and writes it if it is due.

    Args:
      every: steps between two lines; 0 writes only the steps to which `add` adds metrics.
    """

    def __init__(self, reporter: Reporter, batch_size: int, every: int):
        self._reporter, self._batch_size, self._every = reporter, batch_size, every
        self._pending: tuple[int, Any] | None = None
        self._records: list[tuple[int, Metrics]] = []
        self._compiling = 0.0
        self.restart()

    def restart(self) -> None:
        """Starts measuring images a second anew, after something that is not a training step."""
        self._images, self._clock = 0, time.perf_counter()
        self._settled = self._clock

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Enter it for what is not a training step: its time is not one of training."""
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            self._clock += seconds
            self._settled += seconds

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Enter it while a step is compiled; the next line tells the seconds."""
        start = time.perf_counter()
        with self.paused():
            yield
        self._compiling += time.perf_counter() - start

    def push(self, step: int, report: Any) -> None:
        """Takes the stacked reports of the steps that end at `step`; writes those before them."""
        self.flush()
        self._pending = step, report

    def settle(self) -> None:
        """Waits for the last pushed steps and checks them.

        Raises:
          Diverged: a loss or a gradient is not finite.
        """
        if self._pending is None:
            return
        last, report = self._pending
        self._pending = None
        report = jax.device_get(report)
        count = len(report["learning_rate"])
        self._images += count * self._batch_size
        self._settled = time.perf_counter()
        rate = self._images / (self._settled - self._clock)
        for index, step in enumerate(range(last - count + 1, last + 1)):
            sums = {name: float(value[index]) for name, value in report["sums"].items()}
            metrics = {
                "train/loss": sums["loss"] / sums["examples"],
                "train/top1": sums["top1"] / sums["examples"],
                "train/gradient_norm": float(report["gradient_norm"][index]),
                "lr": float(report["learning_rate"][index]),
                "images_per_second": rate,
            }
            check_finite(step, metrics)
            self._records.append((step, metrics))

    def add(self, metrics: Metrics) -> None:
        """Adds metrics to the line of the last pushed step, which is then written in any case.

        Raises:
          Diverged: the evaluation's loss is not finite.
        """
        self.settle()
        step, line = self._records[-1]
        line.update(metrics)
        check_finite(step, line)

    def withhold(self) -> Metrics:
        """Takes back the line of the last pushed step, which waits for an evaluation."""
        return self._records.pop()[1]

    def take(self, step: int, line: Metrics) -> None:
        """Takes such a line of the run that this one goes on from."""
        self._records.append((step, line))

    def flush(self) -> None:
        """Writes every line that is due."""
        self.settle()
        for step, metrics in self._records:
            if (self._every and step % self._every == 0) or "eval/loss" in metrics:
                if self._compiling:
                    metrics["compile_seconds"], self._compiling = self._compiling, 0.0
                self._reporter.write(step, metrics)
                # The next step is under way since then, where nothing paused it.
                self._images, self._clock = 0, self._settled
        self._records.clear()


def check_finite(step: int, metrics: Metrics) -> None:
    """Raises Diverged where a loss or the gradient is not finite."""
    for name in ("train/loss", "train/gradient_norm", "eval/loss"):
        if not math.isfinite(metrics.get(name, 0.0)):
            raise Diverged(
                f"{name} became {metrics[name]} at step {step} with learning rate"
                f" {metrics['lr']:.3g}: lower optim.rate, lengthen schedule.warmup_epochs or set"
                " optim.clip_norm, and start in a new workdir, since the same configuration would"
                " diverge again; the checkpoints before this step are kept"
            )
