"""A trace of some training steps: what devices and host do, and when."""

from pathlib import Path
from typing import Any, Self

import jax
from absl import logging

from resnet_jax.tables import UserError


class Profile:
    """Records the steps from `start` to `stop`; enter it around the loop.

    JAX's profiler writes `perfetto_trace.json.gz`, which a browser shows at ui.perfetto.dev or
    chrome://tracing, beside the files that XProf reads.

    Args:
      steps: 'START:STOP', completed steps before and after; None records nothing.
      folder: for the files; None is the current one.

    Raises:
      UserError: `steps` is not two numbers that rise.
    """

    def __init__(self, steps: str | None = None, folder: Path | None = None):
        self.start, self.stop = (0, 0) if steps is None else _window(steps)
        self._folder = folder or Path()
        self._session: Any = None

    def at(self, step: int, state: Any) -> None:
        """Called when `step` steps are dispatched: starts or ends the recording if it is time."""
        if self._session is None and self.start <= step < self.stop:
            jax.block_until_ready(state)
            options = jax.profiler.ProfileOptions()
            options.python_tracer_level = 0  # its events would crowd out all others
            self._session = jax.profiler.start_trace(
                self._folder, create_perfetto_trace=True, profiler_options=options
            )
        elif self._session is not None and step >= self.stop:
            jax.block_until_ready(state)
            self._end()

    def boundaries(self, step: int) -> list[int]:
        """The steps after `step` at which `at` has something to do."""
        return [boundary for boundary in (self.start, self.stop) if boundary > step]

    def _end(self) -> None:
        self._session = None
        try:
            jax.profiler.stop_trace()
        except (OSError, jax.errors.JaxRuntimeError) as error:
            # As on a full disk; a trace is no reason to stop training.
            logging.error("the profile is not written: %s", str(error).splitlines()[0])
            return
        print(f"the profile lies in {self._folder}; open its perfetto_trace.json.gz in a browser,"
              " at ui.perfetto.dev or chrome://tracing", flush=True)  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        if self._session is not None:
            self._end()


def _window(steps: str) -> tuple[int, int]:
    start, colon, stop = steps.partition(":")
    if not (colon and start.isdecimal() and stop.isdecimal() and int(start) < int(stop)):
        raise UserError(
            f"report.profile='{steps}' is not START:STOP with a START below STOP: give for example"
            " 20:30, the steps after the 20th up to the 30th"
        )
    return int(start), int(stop)
