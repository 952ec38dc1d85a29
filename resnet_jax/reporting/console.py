"""What a person watches while a run trains: a progress bar on a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from tqdm import tqdm


class Console:
    """Shows loss, accuracy, images a second, the time left, and how long a step compiles.

    Args:
      steps: of the whole run.
      evaluated: metrics of an evaluation that it shows.
    """

    def __init__(self, steps: int, evaluated: Sequence[str]):
        self._steps, self._evaluated = steps, evaluated
        self._bar: tqdm | None = None
        self._start = 0, 0.0

    def rewind(self, step: int) -> None:
        if step:
            print(f"continuing from the checkpoint of step {step}", flush=True)
        self._start = step, time.perf_counter()
        if sys.stderr.isatty():
            self._bar = tqdm(total=self._steps, initial=step, unit="step", dynamic_ncols=True)

    def reached(self, step: int) -> None:
        """Moves the bar."""
        if self._bar is not None:
            self._bar.update(step - self._bar.n)

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Counts the seconds while a step is compiled; the time left is without them."""
        start, over = time.perf_counter(), Event()
        if self._bar is None:
            print("compiling ...", flush=True)
        else:
            # Not a daemon: what it prints must not come after the bar has been closed.
            thread = Thread(target=self._count_seconds, args=(self._bar, over))
            thread.start()
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            self._start = self._start[0], self._start[1] + seconds
            if self._bar is None:
                print(f"compiled in {seconds:.0f} s", flush=True)
            else:
                over.set()
                thread.join()
                self._bar.set_postfix_str(f"compiled in {seconds:.0f} s")

    @staticmethod
    def _count_seconds(bar: tqdm, over: Event) -> None:
        seconds = 0
        while not over.is_set():
            bar.set_postfix_str(f"compiling ... {seconds} s")
            over.wait(1)
            seconds += 1

    def write(self, step: int, metrics: dict[str, Any]) -> None:
        has_evaluation = "eval/loss" in metrics
        line = f"step {step}/{self._steps}  {describe(metrics, self._evaluated)}"
        if self._bar is None:
            print(f"{line}  {self._time_left(step)} left", flush=True)
            return
        self._bar.update(step - self._bar.n)
        self._bar.set_postfix_str(
            f"loss {metrics['train/loss']:.4f}, {metrics['images_per_second']:,.0f} images/s"
        )
        if has_evaluation:
            self._bar.write(line)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def _time_left(self, step: int) -> str:
        first, start = self._start
        seconds = (time.perf_counter() - start) / (step - first) * (self._steps - step)
        return tqdm.format_interval(seconds)


def describe(metrics: dict[str, Any], evaluated: Sequence[str]) -> str:
    """One line of the figures that matter.

    Args:
      evaluated: metrics of an evaluation that it shows, where the line has one.
    """
    words = [
        f"loss {metrics['train/loss']:.4f}",
        f"top1 {metrics['train/top1']:.4f}",
        f"lr {metrics['lr']:.4g}",
        f"{metrics['images_per_second']:,.0f} images/s",
    ]
    found = [name for name in evaluated if f"eval/{name}" in metrics]
    if found:
        tested = " ".join(f"{name} {metrics[f'eval/{name}']:.4f}" for name in found)
        words.append(f"| test {tested}")
    return "  ".join(words)
