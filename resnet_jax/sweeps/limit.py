"""A limit to the time of a sweep, which the same command goes on from."""

import time
from collections.abc import Callable
from pathlib import Path

Tick = Callable[[set[Path]], None]


class TimeIsOver(Exception):
    """The sweep has had its time; its runs save and stop."""


def within(minutes: float, tick: Tick) -> Tick:
    """The same tick, which raises TimeIsOver while runs are under way after so many minutes.

    A launcher of processes of this machine then stops them as Ctrl-C does: each saves after the
    step that it computes.
    """
    end = time.monotonic() + 60 * minutes

    def limited(running: set[Path]) -> None:
        tick(running)
        if running and time.monotonic() >= end:
            raise TimeIsOver

    return limited
