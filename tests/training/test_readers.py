"""Processes that read checkpoints beside one that writes them, as `evaluate` beside a run."""

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from command_line import ROOT, environment
from saved import assert_equal, state
from writer import save_on

from resnet_jax.tables import UserError
from resnet_jax.training.checkpoint import Checkpoints

pytestmark = pytest.mark.usefixtures("quiet_readers")


def read(folder, caplog, best=False):
    """Reads as a verb does: whole and the newest that is there; returns its step."""
    with Checkpoints(folder) as checkpoints:
        newest = max(checkpoints.steps)
        found = checkpoints.restore(state(0), best=best, sets_aside=False)
        step = int(found.step)
        assert_equal(found, state(step))
        assert best or step >= newest
    assert "damaged" not in caplog.text
    return step


@pytest.fixture
def writer(tmp_path, request):
    """The folder of a thread that saves."""
    folder, stop = tmp_path / "checkpoints", threading.Event()
    thread = threading.Thread(target=save_on, args=(folder, stop, 1, 0))
    thread.start()
    wait_for_a_checkpoint(folder, thread.is_alive)
    yield folder
    stop.set()
    thread.join()


def wait_for_a_checkpoint(folder: Path, is_alive) -> None:
    while not any(folder.glob("[0-9]")) and is_alive():
        time.sleep(0.01)


def test_readers_see_whole_checkpoints_beside_a_writer(writer, caplog):
    with caplog.at_level(logging.ERROR):
        steps = [read(writer, caplog) for _ in range(20)]
    assert steps == sorted(steps) and steps[-1] > steps[0]


def test_a_reader_changes_nothing(tmp_path):
    with Checkpoints(tmp_path / "none") as checkpoints:
        assert checkpoints.restore(state(0), sets_aside=False) is None
    assert not (tmp_path / "none").exists()


def test_a_step_that_was_deleted_is_named_so(writer, monkeypatch):
    """Not as damaged."""
    with Checkpoints(writer) as checkpoints:
        first = min(checkpoints.steps)
        while first in checkpoints.steps:
            time.sleep(0.01)
        with pytest.raises(UserError, match=rf"no checkpoint of step {first} in .*; there are"):
            checkpoints.restore(state(0), first, sets_aside=False)


@pytest.mark.slow
@pytest.mark.parametrize("keep, keep_best", [(1, 0), (2, 1)])
def test_a_thousand_reads_beside_a_process_that_saves(tmp_path, caplog, keep, keep_best):
    folder = tmp_path / "checkpoints"
    reads = int(os.environ.get("READS", 1_000)) // 2
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("writer.py"), folder, str(keep), str(keep_best)],
        cwd=ROOT,
        env={**environment(), "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        stdin=subprocess.PIPE,
    )
    try:
        wait_for_a_checkpoint(folder, lambda: process.poll() is None)
        with caplog.at_level(logging.ERROR):
            steps = [read(folder, caplog, best=keep_best and n % 2) for n in range(reads)]
        assert max(steps) > reads / 20
    finally:
        process.stdin.close()
        assert process.wait(60) == 0
