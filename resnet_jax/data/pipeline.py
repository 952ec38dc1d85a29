"""The chunks of a data set, computed ahead of their use by worker processes.

The workers import what decodes and crops, but not JAX: they start in a fraction of a second and
take 70 MB each. Pixels come back through shared memory.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from multiprocessing.connection import wait
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np
from absl import logging

from resnet_jax.data.chunks import Chunk
from resnet_jax.data.leftovers import tidy
from resnet_jax.tables import UserError
from resnet_jax.tables.foreign import contents_for, run_given
from resnet_jax.tables.own_files import OwnFile

# The pipeline gives up after this many deaths of workers with no chunk in between.
DEATHS = 3
AHEAD = 3  # chunks that each worker is asked for before they are needed


class ChunkFunction(Protocol):
    """Makes the chunk of a number; it is sent to the workers once."""

    def __call__(self, number: int, memory: np.ndarray | None = None) -> Chunk:
        """Returns the chunk; its images lie at the beginning of `memory` where that is given."""
        ...

    def nbytes(self, number: int) -> int:
        """Bytes of the chunk's images, known before the chunk is made."""
        ...


class Pipeline:
    """Chunks `first`, `first` + 1, ... in order; they are the same for any number of workers.

    The images of a chunk lie in shared memory, and stay there until the next chunk is asked for.

    Args:
      stop: the number after the last chunk.
      workers: processes; 0: this process makes each chunk when it is asked for.
    """

    def __init__(self, function: ChunkFunction, first: int, stop: int, *, workers: int):
        self._function, self._next, self._stop = function, first, stop
        self._workers = workers
        self._deaths = 0
        self._pool: _Pool | None = None

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        if self._next == self._stop:
            raise StopIteration
        chunk = self._from_workers() if self._workers else self._function(self._next)
        self._next += 1
        return chunk

    def close(self) -> None:
        """Ends the workers; done at the latest when this process ends."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _from_workers(self) -> Chunk:
        while True:
            needed = self._function.nbytes(self._next)
            if self._pool is not None and needed > self._pool.capacity:
                self.close()
            if self._pool is None:
                self._pool = _Pool(
                    self._function, self._next, self._stop, workers=self._workers, capacity=needed
                )
            try:
                chunk = self._pool.take()
            except BrokenProcessPool:
                self._deaths += 1
                self.close()
                if self._deaths == DEATHS:
                    raise UserError(
                        f"the processes that read images died {DEATHS} times in a row: there may"
                        " be too little memory for them, so set data.workers to a smaller number"
                    ) from None
                logging.error("a process that reads images died; all of them are started again")
            else:
                self._deaths = 0
                return chunk


class _Pool:
    """Worker processes, the chunks that they have been asked for, and the memory for these.

    Args:
      first: chunk to begin with.
      capacity: bytes of the images of a chunk.
    """

    def __init__(
        self, function: ChunkFunction, first: int, stop: int, *, workers: int, capacity: int
    ):
        self._function, self._number, self._stop = function, first, stop
        self.capacity = capacity
        slots = workers * AHEAD + 1
        context = _context()
        with _starting():
            memory = context.RawArray("B", slots * capacity)
        self._slots = np.frombuffer(memory, np.uint8).reshape(slots, capacity)
        self._free = deque(range(slots))
        self._asked: deque[tuple[Future[_Returned], int]] = deque()
        self._taken: int | None = None
        pickled = pickle.dumps(function)
        # What users' files define can be unpickled only where these have run, as they ran here;
        # no other file is run, since it may import JAX.
        arguments = pickled, contents_for(pickled), memory, slots
        # A worker does not run the user's script, which may have no main guard, unless what it is
        # sent comes from there.
        self._needs_main = b"__main__" in pickled
        with _starting():
            self._executor = ProcessPoolExecutor(workers, context, _adopt, arguments)
        end = self._executor.shutdown
        self.close = weakref.finalize(self, end, wait=False, cancel_futures=True)

    def take(self) -> Chunk:
        """The next chunk."""
        if self._taken is not None:
            self._free.append(self._taken)
        self._ask()
        future, self._taken = self._asked.popleft()
        shape, labels, unreadable = future.result()
        images = self._slots[self._taken, : np.prod(shape)].reshape(shape)
        self._ask()
        return Chunk(images, labels, unreadable)

    def _ask(self) -> None:
        # One slot stays for the chunk that is being used.
        while (
            len(self._free) > (self._taken is None)
            and self._number < self._stop
            and self._function.nbytes(self._number) <= self.capacity
        ):
            slot = self._free.popleft()
            # This starts workers, as many as are needed.
            with _starting(), nullcontext() if self._needs_main else _empty_main():
                future = self._executor.submit(_compute, self._number, slot)
            self._asked.append((future, slot))
            self._number += 1


class _Returned(NamedTuple):
    """A chunk whose images lie in shared memory."""

    shape: tuple[int, ...]
    labels: np.ndarray
    unreadable: tuple[Any, ...]


@contextmanager
def _starting() -> Iterator[None]:
    """Raises UserError where workers can't be started, or no memory be shared with them."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"processes that read images can't be started or can't share memory ({error}): see that"
            " /dev/shm can be written to and is large enough (docker run --shm-size=2g), or set"
            " data.workers=0, so that this process reads them"
        ) from None


@contextmanager
def _empty_main() -> Iterator[None]:
    """Lets processes that are started now find no script to run again."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _context() -> Any:
    """Forks workers from a process without JAX and threads, where the platform can do so."""
    # The address of that process lies in the folder of temporary files, and a socket's may have
    # 107 bytes, or 103 on a Mac.
    too_long = len(os.fsencode(tempfile.gettempdir())) > 70
    if too_long or "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    tidy()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["resnet_jax.data.pipeline", "cv2", "simplejpeg", "PIL.Image"])
    return context


# In a worker process: the function that it computes, and the shared memory.
_function: ChunkFunction
_slots: np.ndarray


def _adopt(
    function: bytes, files: tuple[list[OwnFile], dict[Path, bytes]], memory: Any, slots: int
) -> None:
    """Begins a worker.

    Args:
      function: pickled.
      files: of users, that the function needs, and their contents.
    """
    import cv2

    global _function, _slots
    run_given(*files)
    _function, _slots = pickle.loads(function), np.frombuffer(memory, np.uint8).reshape(slots, -1)
    # The workers share the cores already.
    cv2.setNumThreads(0)
    # The run itself answers Ctrl-C, and needs batches until it stops.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _compute(number: int, slot: int) -> _Returned:
    images, labels, unreadable = _function(number, _slots[slot])
    return _Returned(images.shape, labels, unreadable)
