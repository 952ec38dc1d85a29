import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


DAMAGED = [b"\xff\xfe\x00\n", bytes(4096) + b"\n", b"[1]\n", b"{}\n", b'{"step": "x"}\n', b"\n",
           b'{"step": 3, "train/loss": [1]}\n', b'{"step": 1.5}\n', b"[" * 999 + b"\n"]  # fmt: skip


@pytest.mark.parametrize("line", DAMAGED)
def test_damaged_lines_go_and_are_told(path, caplog, line):
    """As a machine without power leaves them."""
    write(path, 1, 2)
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(line + first + line + second + b"\xff\xfe")
    assert [found["step"] for found in read_lines(path)] == [1, 2]
    assert f"{path}: damaged lines are left out: 1, 3" in caplog.text
    write(path, 3, rewind=2)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3]


@settings(max_examples=200, deadline=None, database=None)
@given(st.data())
def test_any_damage_leaves_whole_lines_alone(tmp_path_factory, data):
    whole = b"".join(b'{"step": %d, "a/b": 0.5}\n' % step for step in range(1, 5))
    start = data.draw(st.integers(0, len(whole)))
    content = whole[:start] + data.draw(st.binary(max_size=20)) + whole[start:]
    path = tmp_path_factory.getbasetemp() / "drawn.jsonl"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    untouched = path.read_bytes()[:start].count(b"\n")
    assert read_lines(path)[:untouched] == read_lines_of(whole)[:untouched]


def read_lines_of(content):
    return [json.loads(line) for line in content.splitlines()]


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
