"""Turns a request to stop into something that the loop can look at between two steps."""

import signal
from types import FrameType
from typing import Any, Self


class Interruption:
    """While entered, SIGTERM and the first Ctrl-C ask the loop to save and stop.

    A second Ctrl-C interrupts at once.
    """

    def __init__(self) -> None:
        self.signal: str | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _: FrameType | None) -> None:
        self.signal = signal.Signals(number).name
        signal.signal(signal.SIGINT, signal.default_int_handler)
