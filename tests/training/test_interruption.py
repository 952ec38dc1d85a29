import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from resnet_jax.training.interruption import Interruption


def handlers():
    return [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]


@pytest.fixture(autouse=True)
def unharmed():
    """Whatever a test does, this process has its handlers back."""
    before = handlers()
    yield
    signal.signal(signal.SIGTERM, before[0])
    signal.signal(signal.SIGINT, before[1])


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_asks_and_does_not_interrupt(name):
    with Interruption() as interruption:
        assert interruption.signal is None
        os.kill(os.getpid(), signal.Signals[name])
        assert interruption.signal == name


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_after_a_signal_interrupts_at_once(first):
    with pytest.raises(KeyboardInterrupt), Interruption():
        os.kill(os.getpid(), first)
        os.kill(os.getpid(), signal.SIGINT)


def test_a_second_sigterm_is_still_a_question():
    """A batch system sends several; only SIGKILL follows."""
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.signal == "SIGTERM"


@pytest.mark.parametrize("asked", [False, True])
def test_handlers_are_put_back(asked):
    before = handlers()
    with pytest.raises(ZeroDivisionError), Interruption():
        assert handlers() != before
        if asked:
            os.kill(os.getpid(), signal.SIGTERM)
        raise ZeroDivisionError
    assert handlers() == before


def test_outside_of_the_main_thread_nothing_asks():
    """Python hears no signals there, and lets no handler be set."""
    before = handlers()

    def entered():
        with Interruption() as interruption:
            return interruption.signal, handlers()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(entered).result() == (None, before)
