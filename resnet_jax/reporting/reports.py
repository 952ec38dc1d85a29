"""Hands a run's metrics to every place that they are written to."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Protocol, Self, runtime_checkable

from absl import logging


class Sink(Protocol):
    """One place that metrics go to.

    An OSError of a sink is no reason to stop training; a UserError is one.
    """

    def rewind(self, step: int) -> None:
        """Says, before anything is written, from which step the run goes on."""

    def write(self, step: int, metrics: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


@runtime_checkable
class Watcher(Protocol):
    """A sink that shows as well what happens between two lines; see training.meter."""

    def reached(self, step: int) -> None: ...
    def compiling(self) -> AbstractContextManager[None]: ...


class Reports:
    """Hands everything to each of its sinks; close it, or use it as a context.

    A sink that can't be written is named once, and is told nothing more.
    """

    def __init__(self, sinks: Sequence[Sink]):
        self.sinks = list(sinks)

    def rewind(self, step: int) -> None:
        self._tell(lambda sink: sink.rewind(step))

    def write(self, step: int, metrics: dict[str, Any]) -> None:
        self._tell(lambda sink: sink.write(step, metrics))

    def reached(self, step: int) -> None:
        self._tell(lambda sink: sink.reached(step) if isinstance(sink, Watcher) else None)

    @contextmanager
    def compiling(self) -> Iterator[None]:
        with ExitStack() as stack:
            for sink in self.sinks:
                if isinstance(sink, Watcher):
                    stack.enter_context(sink.compiling())
            yield

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self._tell(lambda sink: sink.close())

    def _tell(self, message: Callable[[Sink], None]) -> None:
        for sink in tuple(self.sinks):
            try:
                message(sink)
            except OSError as error:
                self.sinks.remove(sink)
                logging.error(
                    "%s can't be written (%s): training goes on without it",
                    type(sink).__name__, error.strerror or error,
                )  # fmt: skip
