import sys
from types import SimpleNamespace

import pytest

from resnet_jax.reporting.wandb import WandB
from resnet_jax.tables import UserError


class FakeRun:
    def __init__(self, calls):
        self.calls = calls

    def log(self, metrics, step):
        self.calls.append(("log", step, metrics))

    def finish(self):
        self.calls.append(("finish",))


@pytest.fixture
def calls(monkeypatch):
    """What is asked of the wandb package, in its place."""
    calls = []

    def init(**options):
        calls.append(("init", options))
        return FakeRun(calls)

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    return calls


def test_missing_package(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "wandb", None)  # import raises ImportError
    with pytest.raises(UserError, match="needs the wandb package: pip install wandb, or set"):
        WandB(tmp_path, "project", {})


def test_lines_go_to_one_run_that_a_resumed_run_continues(calls, tmp_path):
    workdir = tmp_path / "run"
    for step in (1, 2):
        sink = WandB(workdir, "my project", {"seed": 7})
        sink.rewind(step - 1)
        sink.write(step, {"train/loss": 0.5})
        sink.close()

    (_, first), log, finish, (_, second), *_ = calls
    assert first == second
    assert first["resume"] == "allow"
    assert (first["project"], first["config"]) == ("my project", {"seed": 7})
    assert log == ("log", 1, {"train/loss": 0.5})
    assert finish == ("finish",)
    assert calls[-2] == ("log", 2, {"train/loss": 0.5})


def test_a_run_is_named_by_its_folder(calls, tmp_path):
    deep = tmp_path / ("a" * 100) / "run"
    for workdir in (tmp_path / "one", tmp_path / "two", deep):
        WandB(workdir, "project", {})
    names = [options["id"] for _, options in calls]
    assert len(set(names)) == 3
    assert all(len(name) <= 128 and "/" not in name for name in names)
