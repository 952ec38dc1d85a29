"""Hands a run's metrics to every place that they are written to."""

from collections.abc import Sequence
from typing import Any, Protocol, Self


class Sink(Protocol):
    """One place that metrics go to."""

    def rewind(self, step: int) -> None:
        """Says, before anything is written, from which step the run goes on."""

    def write(self, step: int, metrics: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


class Reports:
    """Hands everything to each of its sinks; close it, or use it as a context."""

    def __init__(self, sinks: Sequence[Sink]):
        self.sinks = sinks

    def rewind(self, step: int) -> None:
        for sink in self.sinks:
            sink.rewind(step)

    def write(self, step: int, metrics: dict[str, Any]) -> None:
        for sink in self.sinks:
            sink.write(step, metrics)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        for sink in self.sinks:
            sink.close()
