import pytest

from resnet_jax.reporting.reports import Reports
from resnet_jax.tables import UserError


class Sink:
    def __init__(self):
        self.calls = []

    def rewind(self, step):
        self.calls.append(("rewind", step))

    def write(self, step, metrics):
        self.calls.append(("write", step, metrics))

    def close(self):
        self.calls.append(("close",))


def test_every_sink_is_told_everything():
    sinks = [Sink(), Sink()]
    with Reports(sinks) as reports:
        reports.rewind(3)
        reports.write(4, {"train/loss": 1.0})
    expected = [("rewind", 3), ("write", 4, {"train/loss": 1.0}), ("close",)]
    assert [sink.calls for sink in sinks] == [expected, expected]


def test_sinks_are_closed_after_an_error():
    sink = Sink()
    with pytest.raises(ZeroDivisionError), Reports([sink]):
        raise ZeroDivisionError
    assert sink.calls == [("close",)]


class Failing(Sink):
    """Can't be written from the second line on."""

    def write(self, step, metrics):
        super().write(step, metrics)
        if len(self.calls) > 1:
            raise OSError(28, "No space left on device")


def test_a_sink_that_fails_is_named_once_and_stops_no_other(caplog):
    failing, other = Failing(), Sink()
    with Reports([failing, other]) as reports:
        for step in range(4):
            reports.write(step, {})
    assert [call[:2] for call in failing.calls] == [("write", 0), ("write", 1)]
    assert len(other.calls) == 5 and other.calls[-1] == ("close",)
    assert caplog.text.count("can't be written") == 1
    assert "Failing can't be written (No space left on device)" in caplog.text


def test_a_users_error_stops():
    """Of a sink whose lines a run can't do without."""
    sink = Sink()
    sink.rewind = lambda step: (_ for _ in ()).throw(UserError("the disk is full"))
    with pytest.raises(UserError, match="full"), Reports([sink]) as reports:
        reports.rewind(0)
