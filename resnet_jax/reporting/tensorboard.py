"""TensorBoard event files, written without TensorFlow."""

import os
import socket
import struct
import time
from pathlib import Path
from typing import Any


class TensorBoard:
    """Writes a scalar for each metric. A resumed run's steps replace those that it repeats.

    tensorboardX's own writer is a thread, for which it waits for ever where a full disk ended it;
    here who writes hears of it.
    """

    def __init__(self, directory: Path):
        self._directory = directory
        self._file: Any = None

    def rewind(self, step: int) -> None:
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self._directory.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}"
        self._file = (self._directory / name).open("ab", buffering=0)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if step:
            start = SessionLog(status=SessionLog.START)
            self._write(Event(wall_time=time.time(), step=step + 1, session_log=start))

    def write(self, step: int, metrics: dict[str, Any]) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in metrics.items()]
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))

    def _write(self, event: Any) -> None:
        """Appends a TFRecord: length and content, each with its masked CRC-32C."""
        from tensorboardX.record_writer import masked_crc32c

        content = event.SerializeToString()
        length = struct.pack("<Q", len(content))
        sums = (struct.pack("<I", masked_crc32c(part)) for part in (length, content))
        self._file.write(b"".join((length, next(sums), content, next(sums))))

    def close(self) -> None:
        if self._file:
            self._file.close()
