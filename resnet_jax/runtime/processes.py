"""The processes of a run: how they find each other, and how they end together."""

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from resnet_jax.tables import UserError


class Peers(NamedTuple):
    """How the processes of a run find each other, each on its machine.

    The first three are None where JAX finds its cluster (TPU VM, Slurm, Open MPI, GKE), and for a
    single process.

    Attributes:
      coordinator: HOST:PORT of process 0.
      processes: number of processes.
      process: number of this process, counted from 0.
      start_timeout: seconds to wait for the other processes to start.
      peer_timeout: seconds without a sign of life after which a process counts as lost.
    """

    coordinator: str | None
    processes: int | None
    process: int | None
    start_timeout: int
    peer_timeout: int


@contextmanager
def together(peers: Peers) -> Iterator[None]:
    """Waits until all processes of the run have met; from then on only the first one prints.

    Where a process is lost, the others end with status 2 and a sentence on standard error.
    """
    _join(peers)
    import jax

    if jax.process_count() == 1:
        yield
        return
    if jax.process_index():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, until the process ends
    with ending_together():
        yield


@contextmanager
def ending_together() -> Iterator[None]:
    """Ends this process at once where it fails or another is lost; it waits for no other."""
    import jax

    try:
        yield
    except UserError:
        # Every process finds a user's mistake, so none has to be ended.
        raise
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        _end(f"{_lost()} ({str(error).splitlines()[0]})")
    except BaseException:
        if jax.process_count() == 1:
            raise
        traceback.print_exc()
        _end("this process failed, and the others of the run end with it")


def _join(peers: Peers) -> None:
    """Returns once all processes have met, or at once where there is only one."""
    import jax

    given = coordinator, processes, process = peers[:3]
    if given == (None, 1, None):
        return
    if any(value is not None for value in given):
        if coordinator is None or processes is None or process is None:
            raise UserError("give all of --coordinator=HOST:PORT, --processes=N and --process=K")
        if process >= processes:
            raise UserError(
                f"--process={process} of --processes={processes}: processes are counted from 0"
            )
    _end_on_abort(
        f"not all processes of the run met within {peers.start_timeout} s: start the same command"
        " on every machine, with the same --coordinator and --processes and its own --process, and"
        " see that they reach each other; --start_timeout=SECONDS waits longer, --processes=1 runs"
        " this one alone"
    )
    # The loop hears SIGTERM itself, see training.interruption.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            *given,
            initialization_timeout=peers.start_timeout,
            heartbeat_timeout_seconds=peers.peer_timeout,
            shutdown_timeout_seconds=peers.peer_timeout,
        )
    except (ValueError, IndexError):
        if any(value is not None for value in given):
            raise UserError(f"--coordinator={coordinator} is not HOST:PORT") from None
        # JAX found no cluster: this process is alone.
    _end_on_abort(_lost() if jax.process_count() > 1 else None)


def _lost() -> str:
    return (
        "another process of the run has stopped or can't be reached: start all of them again, and"
        " the run goes on from its last checkpoint"
    )


def _end_on_abort(sentence: str | None) -> None:
    """Ends the process with this sentence where JAX's runtime aborts it, as for a lost peer.

    A Python handler would not be called, since the abort comes from a thread of the runtime.

    Args:
      sentence: None removes the handler.
    """
    global _on_abort
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int)
    _on_abort = kind() if sentence is None else kind(lambda number: _end(sentence))
    ctypes.CDLL(None).signal(int(signal.SIGABRT), _on_abort)


# A reference that keeps alive what C calls.
_on_abort: Any = None


def _end(sentence: str) -> Any:
    """Ends the process at once, since an orderly end would wait for the lost process."""
    try:
        sys.stdout.flush()
        os.write(2, f"error: {sentence}\n".encode())
    finally:
        os._exit(2)
