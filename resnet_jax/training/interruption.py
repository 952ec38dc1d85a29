"""Keeps a request to stop, for the loop to see between two steps."""

import os
import signal
import threading
from contextlib import suppress
from types import FrameType
from typing import Any, Self

import jax

from resnet_jax.training import parallel

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Interruption:
    """While entered, SIGTERM, SIGHUP and the first Ctrl-C ask the loop to save and stop.

    A second Ctrl-C interrupts at once. A SIGHUP that is ignored stays so, as nohup asks for.
    Outside of the main thread, where Python hears no signals, nothing asks.
    """

    def __init__(self) -> None:
        self.signal: str | None = None
        self._previous: dict[int, Any] = {}
        self._asked: jax.Array | None = None

    def __enter__(self) -> Self:
        hears = threading.current_thread() is threading.main_thread()
        for number in SIGNALS if hears else ():
            before = signal.getsignal(number)
            if number != signal.SIGHUP or before is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _: FrameType | None) -> None:
        self.signal = signal.Signals(number).name
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # Not through a stream, which what was interrupted may be writing to.
        with suppress(OSError):
            os.write(2, f"{self.signal}: the run saves after this step, and stops\n".encode())

    def agreed(self) -> str | None:
        """The signal that stops the run, the same on every process; every process must call this.

        With several processes a call answers the call before it: the devices exchange the signals
        while they compute the next step, so that no process waits for another.
        """
        if jax.process_count() == 1:
            return self.signal
        number = int(signal.Signals[self.signal]) if self.signal else 0
        before, self._asked = self._asked, parallel.largest(number)
        heard = int(before) if before is not None else 0
        return signal.Signals(heard).name if heard else None
