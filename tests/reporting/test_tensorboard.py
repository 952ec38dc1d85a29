import struct

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from resnet_jax.reporting.tensorboard import TensorBoard


def events(directory):
    """Every event of the folder's files in the order of their writing.

    A record is its length as 8 bytes, 4 of checksum, its content and 4 of checksum.
    """
    for path in sorted(directory.iterdir(), key=lambda path: path.stat().st_mtime_ns):
        content, position = path.read_bytes(), 0
        while position < len(content):
            (length,) = struct.unpack_from("<Q", content, position)
            yield Event.FromString(content[position + 12 : position + 12 + length])
            position += 12 + length + 4


def scalars(directory):
    return {
        (event.step, value.tag): value.simple_value
        for event in events(directory)
        for value in event.summary.value
    }


def write(directory, lines, rewind=0):
    board = TensorBoard(directory)
    board.rewind(rewind)
    for step, metrics in lines.items():
        board.write(step, metrics)
    board.close()


def test_each_metric_is_a_scalar(tmp_path):
    write(tmp_path, {1: {"train/loss": 0.5}, 2: {"train/loss": 0.25, "eval/examples": 100}})
    assert scalars(tmp_path) == {
        (1, "train/loss"): 0.5,
        (2, "train/loss"): 0.25,
        (2, "eval/examples"): 100.0,
    }


@pytest.mark.parametrize("rewind, marks", [(0, []), (2, [3])])
def test_resumed_run_tells_the_reader_to_forget_later_steps(tmp_path, rewind, marks):
    """A START event makes TensorBoard drop what older files have from its step on."""
    write(tmp_path, {1: {"train/loss": 0.5}}, rewind=rewind)
    starts = [e.step for e in events(tmp_path) if e.session_log.status == SessionLog.START]
    assert starts == marks


def test_closing_what_wrote_nothing(tmp_path):
    TensorBoard(tmp_path / "none").close()
    assert not (tmp_path / "none").exists()
