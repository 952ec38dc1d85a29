"""What a checkpoint says of itself, and that no change of it goes unnoticed."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_jax.training.record import Record, checksum, newest_records, steps_in

RUN = {"config": {"seed": 1, "optim.rate": 0.1, "model.widths": [1, 2]}, "data": {"names": ["é"]}}
WHOLE = Record(123, 7, {"top1": 0.5, "loss": 1 / 3}, RUN)


def write(folder, content):
    path = epath.Path(folder) / "checksum" / "metadata"
    path.parent.mkdir(parents=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return epath.Path(folder)


@pytest.mark.parametrize("record", [WHOLE, Record(0, 0), Record(1, 2, None, RUN, {}, {})])
def test_a_record_is_read_as_it_was_written(tmp_path, record):
    assert Record.read(write(tmp_path / "7", record.sealed())) == record


def test_checkpoints_before_records_held_a_checksum_alone(tmp_path):
    assert Record.read(write(tmp_path / "7", {"crc32": 5})) == Record(5)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_changed_byte_goes_unnoticed(data):
    """Either the record is refused, or its text says what it said."""
    content = bytearray(json.dumps(WHOLE.sealed()).encode())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    try:
        found = Record.of_json(json.loads(content))
    except (ValueError, AttributeError, TypeError):
        return
    assert found == WHOLE


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"{}", b"\xff\xfe", {"crc32": "x"},
                                     {"crc32": 5, "step": 3}, {"record": 0}])  # fmt: skip
def test_what_is_no_record(tmp_path, content):
    with pytest.raises(ValueError):
        Record.read(write(tmp_path / "7", content))


def test_steps_are_the_folders_with_a_finished_number(tmp_path):
    for name in ("3", "20", "1", "damaged", "4.orbax-checkpoint-tmp", "007", "٣", ".5"):
        (tmp_path / name).mkdir()
    assert steps_in(epath.Path(tmp_path)) == [1, 3, 20]
    assert steps_in(epath.Path(tmp_path / "nowhere")) == []


def test_newest_records_first_without_the_damaged(tmp_path):
    for step in (1, 2, 10):
        write(tmp_path / str(step), Record(step, step).sealed())
    write(tmp_path / "11", b"{")
    assert [record.step for record in newest_records(tmp_path)] == [10, 2, 1]


def test_checksum_sees_the_last_bit():
    values = np.array([2, np.nextafter(np.float32(2), np.float32(3)), -2], np.float32)
    assert len({checksum({"a": jnp.array([1, value])}) for value in values}) == 3
    assert checksum({"a": jnp.bfloat16(1)}) != checksum({"a": jnp.bfloat16(2)})
