import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_jax.training.interruption import SIGNALS, Interruption


def handlers():
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.fixture(autouse=True)
def unharmed():
    """Whatever a test does, this process has its handlers back."""
    before = handlers()
    yield
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_asks_and_does_not_interrupt(name):
    with Interruption() as interruption:
        assert interruption.signal is None
        os.kill(os.getpid(), signal.Signals[name])
        assert interruption.signal == name


@pytest.mark.parametrize("first", SIGNALS)
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


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(SIGNALS), min_size=1, max_size=6))
def test_signals_in_any_order(numbers):
    """A Ctrl-C that is not the first signal interrupts; the last of the others is what stops."""
    before, heard = handlers(), []
    try:
        with Interruption() as interruption:
            for number in numbers:
                os.kill(os.getpid(), number)
                heard.append(number)
            assert interruption.signal == numbers[-1].name
            interrupted = False
    except KeyboardInterrupt:
        interrupted = True
    assert interrupted == (signal.SIGINT in numbers[1:])
    assert heard == (numbers[: numbers.index(signal.SIGINT, 1)] if interrupted else numbers)
    assert handlers() == before


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


def test_nohup_is_heeded():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGHUP)
        assert interruption.signal is None
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_it_says_what_will_happen(capfd):
    """A compilation may take a minute until it does."""
    with Interruption():
        os.kill(os.getpid(), signal.SIGHUP)
    assert capfd.readouterr().err == "SIGHUP: the run saves after this step, and stops\n"
