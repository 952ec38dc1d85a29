import pytest

from resnet_jax.reporting.reports import Reports


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
