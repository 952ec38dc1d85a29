"""A run on several machines: how its processes meet, who speaks for them, how they end together.

A process needs no flag where JAX finds its cluster (TPU VM, Slurm, Open MPI, GKE), and none alone.
"""

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from absl import flags

from resnet_jax.tables import UserError

_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "HOST:PORT of process 0, where JAX finds no cluster of its own."
)
_PROCESSES = flags.DEFINE_integer("processes", None, "Processes in all.", lower_bound=1)
_PROCESS = flags.DEFINE_integer("process", None, "This process, counted from 0.", lower_bound=0)
_START_TIMEOUT = flags.DEFINE_integer(
    "start_timeout", 300, "Seconds to wait for the other processes to start.", lower_bound=1
)
_PEER_TIMEOUT = flags.DEFINE_integer(
    "peer_timeout", 100, "Seconds without a sign of life after which a process is given up.",
    lower_bound=1,
)  # fmt: skip


def together(verb: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """The verb, on all processes of the run at once; the first alone prints.

    Where a process is lost the others end with status 2 and a sentence on standard error.
    """

    @wraps(verb)
    def joined(*operands: str) -> dict[str, Any]:
        _join()
        import jax

        if jax.process_count() == 1:
            return verb(*operands)
        if jax.process_index():
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115, until the process ends
        with ending_together():
            return verb(*operands)

    return joined


@contextmanager
def ending_together() -> Iterator[None]:
    """Ends this process at once where it fails or another is lost, without waiting for that one."""
    import jax

    try:
        yield
    except UserError:
        # A mistake of the user, which every process finds.
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


def _join() -> None:
    """Returns once all processes have met, or at once where there is but one."""
    import jax

    given = (_COORDINATOR.value, _PROCESSES.value, _PROCESS.value)
    if given == (None, 1, None):
        return
    if any(value is not None for value in given):
        _, processes, process = given
        if _COORDINATOR.value is None or processes is None or process is None:
            raise UserError("give all of --coordinator=HOST:PORT, --processes=N and --process=K")
        if process >= processes:
            raise UserError(
                f"--process={process} of --processes={processes}: processes are counted from 0"
            )
    _end_on_abort(
        f"not all processes of the run met within {_START_TIMEOUT.value} s: start the same command"
        " on every machine, with the same --coordinator and --processes and its own --process, and"
        " see that they reach each other; --start_timeout=SECONDS waits longer, --processes=1 runs"
        " this one alone"
    )
    # The loop has a way of its own to hear SIGTERM, see training.interruption.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            *given,
            initialization_timeout=_START_TIMEOUT.value,
            heartbeat_timeout_seconds=_PEER_TIMEOUT.value,
            shutdown_timeout_seconds=_PEER_TIMEOUT.value,
        )
    except (ValueError, IndexError):
        if any(value is not None for value in given):
            raise UserError(f"--coordinator={_COORDINATOR.value} is not HOST:PORT") from None
        # JAX found no cluster: a process alone.
    _end_on_abort(_lost() if jax.process_count() > 1 else None)


def _lost() -> str:
    return (
        "another process of the run has stopped or can't be reached: start all of them again, and"
        " the run goes on from its last checkpoint"
    )


def _end_on_abort(sentence: str | None) -> None:
    """Says this where JAX's runtime aborts the process, its only answer to a peer that is lost.

    A handler of Python's would not be called: the abort comes from a thread of the runtime. None
    takes the handler away.
    """
    global _on_abort
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int)
    _on_abort = kind() if sentence is None else kind(lambda number: _end(sentence))
    ctypes.CDLL(None).signal(int(signal.SIGABRT), _on_abort)


# Python must hold on to what C calls.
_on_abort: Any = None


def _end(sentence: str) -> Any:
    """Ends the process at once: an orderly end would wait for the process that is lost."""
    sys.stdout.flush()
    os.write(2, f"error: {sentence}\n".encode())
    os._exit(2)
