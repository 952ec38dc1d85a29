"""The trace of some steps, read as the browser would read it."""

import gzip
import json

import jax
import jax.numpy as jnp
import pytest

from resnet_jax.tables import UserError
from resnet_jax.training.profile import Profile


def recorded_steps(folder):
    """The numbers of the steps whose dispatch the trace shows."""
    (path,) = folder.rglob("perfetto_trace.json.gz")
    events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    return {int(event["name"][4:]) for event in events if event.get("name", "").startswith("step")}


def advance(profile, first, last):
    """Dispatches the steps after `first` up to `last`, each under its number."""
    state = jnp.zeros(4)
    with profile:
        profile.at(first, state)
        for step in range(first + 1, last + 1):
            with jax.profiler.TraceAnnotation(f"step{step}"):
                state = state + 1
            profile.at(step, state)


@pytest.mark.parametrize(
    ("first", "last", "steps"), [(0, 6, {3, 4}), (3, 6, {4}), (0, 3, {3})], ids=str
)
def test_the_trace_holds_the_steps_of_the_window(first, last, steps, tmp_path, capsys):
    """A run that starts inside the window or ends there has the part that it saw."""
    advance(Profile("2:4", tmp_path / "profile"), first, last)
    assert recorded_steps(tmp_path) == steps
    assert str(tmp_path / "profile") in capsys.readouterr().out


@pytest.mark.parametrize("steps", [None, "7:9"])
def test_nothing_is_written_outside_of_the_window(steps, tmp_path):
    advance(Profile(steps, tmp_path / "profile"), 0, 5)
    assert not list(tmp_path.iterdir())


def test_calls_end_where_the_window_does():
    profile = Profile("2:9", None)
    assert [profile.boundaries(step) for step in (0, 2, 9)] == [[2, 9], [9], []]
    assert Profile().boundaries(0) == []


@pytest.mark.parametrize("steps", ["20", "30:20", "5:5", "a:b", "-1:3", ":"])
def test_a_window_is_two_numbers_that_rise(steps):
    with pytest.raises(UserError, match="is not START:STOP"):
        Profile(steps, None)


def test_a_trace_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch, caplog):
    def fail():
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: No space left on device\nmore")

    monkeypatch.setattr(jax.profiler, "start_trace", lambda *_, **__: "a session")
    monkeypatch.setattr(jax.profiler, "stop_trace", fail)
    with Profile("1:2", tmp_path) as profile:
        for step in range(4):
            profile.at(step, jnp.zeros(()))
    assert caplog.text.count("the profile is not written: RESOURCE_EXHAUSTED: No space left") == 1
