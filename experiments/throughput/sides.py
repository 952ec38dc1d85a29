"""The sides of a comparison: processes that stay alive and measure when they are asked to."""

import json
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]


class Failed(Exception):
    """Raised where a side's process has ended."""


class Side:
    """A process that says when it is ready, and then measures once for each line that it reads."""

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str]):
        self._process = subprocess.Popen(
            command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment,
        )  # fmt: skip
        self.facts: dict[str, Any] = {}

    def ready(self) -> Self:
        """Waits until the side can measure."""
        self.facts = self._read()
        return self

    def measure(self) -> float:
        assert self._process.stdin
        try:
            print(file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise self._failed() from None
        return self._read()

    def peak_memory(self) -> int:
        """Bytes that the process itself had in memory at most."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (peak,) = re.findall(r"VmHWM:\s*(\d+) kB", status)
        return int(peak) * 1024

    def close(self) -> None:
        try:
            self._process.communicate()
        except BrokenPipeError:
            self._process.wait()

    def _read(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise self._failed()
        return json.loads(line)

    def _failed(self) -> Failed:
        return Failed(f"{self._process.args} ended with status {self._process.wait()}")


def seconds_to_line(
    command: Sequence[str], beginning: str, environment: Mapping[str, str]
) -> float:
    """Seconds from the start of a command to the first line that begins so; waits for its end."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    assert process.stdout
    found, lines = None, []
    for line in process.stdout:
        lines.append(line)
        if found is None and line.startswith(beginning):
            found = time.perf_counter() - begin
    process.wait()
    if found is None:
        raise Failed("".join(lines))
    return found
