import json
from pathlib import Path

import pytest

from resnet_jax.reporting.metrics_file import MetricsFile, read_lines
from resnet_jax.tables import UserError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def write(path, *steps, rewind=0):
    file = MetricsFile(path)
    file.rewind(rewind)
    for step in steps:
        file.write(step, {"train/loss": step / 10})
    file.close()


def test_one_json_object_a_line(path):
    write(path, 1, 2)
    assert path.read_text() == '{"step": 1, "train/loss": 0.1}\n{"step": 2, "train/loss": 0.2}\n'


def test_new_file_is_empty(path):
    write(path)
    assert path.read_text() == ""
    write(path)
    assert read_lines(path) == []


def test_resumed_run_replaces_later_lines_and_keeps_earlier_ones(path):
    write(path, 10, 20, 30)
    before = path.read_text().splitlines()
    write(path, 30, 40, rewind=25)
    assert [line["step"] for line in read_lines(path)] == [10, 20, 30, 40]
    assert path.read_text().splitlines()[:2] == before[:2]


def test_the_step_itself_is_kept(path):
    write(path, 10, 20)
    write(path, rewind=20)
    assert [line["step"] for line in read_lines(path)] == [10, 20]


@pytest.mark.parametrize("half", ["{", '{"step": 3', '{"step": 3, "train/loss": 0.3}'])
def test_half_a_line_goes(path, half):
    write(path, 1, 2)
    with path.open("a") as file:
        file.write(half)
    assert [line["step"] for line in read_lines(path)] == [1, 2]
    write(path, 3, rewind=2)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3]


def test_numbers_survive_a_rewind_exactly(path):
    file = MetricsFile(path)
    file.rewind(0)
    file.write(1, {"train/loss": 0.1 + 0.2, "eval/examples": 10_000})
    file.rewind(1)
    file.close()
    assert read_lines(path) == [{"step": 1, "train/loss": 0.1 + 0.2, "eval/examples": 10_000}]


def test_a_line_is_in_the_file_when_write_returns(path):
    """So a process that is killed then loses none."""
    file = MetricsFile(path)
    file.rewind(0)
    file.write(1, {"train/loss": 1.0})
    assert [line["step"] for line in read_lines(path)] == [1]
    file.close()


def test_nothing_but_the_file_is_left(path):
    write(path, 1, 2)
    write(path, 2, rewind=1)
    assert [entry.name for entry in path.parent.iterdir()] == ["metrics.jsonl"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_sentence():
    file = MetricsFile(Path("/dev/full"))
    with pytest.raises(UserError, match=r"can't write /dev/full \(No space left on device\): mend"):
        file.write(1, {})
    file.close()


def test_a_file_that_cannot_be_opened_is_one_sentence(path):
    path.mkdir()
    with pytest.raises(UserError, match=r"can't write .*metrics.jsonl \(Is a directory\)"):
        MetricsFile(path)
