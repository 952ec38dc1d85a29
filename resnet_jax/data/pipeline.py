"""Results of a function of 0, 1, 2, ..., computed ahead in worker processes."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from absl import flags, logging

from resnet_jax.tables import UserError

if TYPE_CHECKING:
    from resnet_jax.data.parts import Part

# Deaths in a row, without a result between them, after which there is no use in going on.
DEATHS = 3


class Pipeline:
    """Parts `first`, `first` + 1, ... up to `stop`, in order; the same for any number of workers.

    Args:
      function: from a number to its part; it travels to the workers.
      workers: processes; 0 computes in this one, when a part is asked for.
      ahead: parts that each worker keeps ready in shared memory.
    """

    def __init__(
        self,
        function: Callable[[int], Part],
        first: int,
        stop: int,
        *,
        workers: int,
        ahead: int = 2,
    ):
        self._function, self._next, self._stop = function, first, stop
        self._workers, self._ahead = workers, ahead
        self._deaths = 0
        self._parts: Iterator[Part] = self._start()

    def __iter__(self) -> Iterator[Part]:
        return self

    def __next__(self) -> Part:
        while True:
            try:
                part = next(self._parts)
            except RuntimeError as error:
                # What Grain raises of a process that has ended before its time.
                if "terminated unexpectedly" not in str(error):
                    raise
                self._restart(error)
            else:
                self._next += 1
                self._deaths = 0
                return part

    def close(self) -> None:
        """Ends the workers; done at the latest when this process ends."""
        self._end()

    def _restart(self, error: RuntimeError) -> None:
        self._deaths += 1
        if self._deaths == DEATHS:
            raise UserError(
                f"the processes that read images died {DEATHS} times in a row: there may be too"
                " little memory for them, so set data.workers to a smaller number"
            ) from error
        logging.error("a process that reads images died and is started again (%s)", error)
        self.close()
        self._parts = self._start()

    def _start(self) -> Iterator[Part]:
        self._end: Callable[[], object] = lambda: None
        if not self._workers:
            return map(self._function, range(self._next, self._stop))
        import grain

        # Grain reads flags of its own, in programs too that have none.
        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()
        numbers = grain.MapDataset.range(self._next, self._stop).map(self._function)
        # Threads in the workers would read far ahead and take each other's time.
        reading = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
        processes = grain.MultiprocessingOptions(
            num_workers=self._workers, per_worker_buffer_size=self._ahead
        )
        parts = iter(numbers.to_iter_dataset(reading).mp_prefetch(processes))
        # Shared memory outlives the processes that nobody ended.
        self._end = weakref.finalize(self, parts.close)
        return parts
