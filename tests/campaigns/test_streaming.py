"""A run that streams photographs leaks nothing, and leaves nothing where it ends or is killed."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import folder_runs
import pytest
from campaigns.runs import amount
from command_line import ROOT, command, environment


class Use(NamedTuple):
    """What a run and its workers use at one moment."""

    processes: int
    descriptors: int
    memory: int
    shared_files: int
    temporary_files: int


def family(process: int) -> list[int]:
    """A process and all below it."""
    found = [process]
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == process:
            found += family(int(entry.parent.name))
    return found


def shared_files(process: int) -> set[str]:
    """The files in /dev/shm that a process has mapped."""
    lines = Path(f"/proc/{process}/maps").read_text().splitlines()
    return {line.split()[5] for line in lines if " /dev/shm/" in line and "deleted" not in line}


def use(process: int, temporary: Path, ever_shared: set[str]) -> Use:
    descriptors, memory, shared, members = 0, 0, set[str](), family(process)
    for member in members:
        try:
            descriptors += len(os.listdir(f"/proc/{member}/fd"))
            pages = int(Path(f"/proc/{member}/statm").read_text().split()[1])
            shared |= shared_files(member)
        except OSError:
            continue
        memory += pages * os.sysconf("SC_PAGE_SIZE")
    ever_shared |= shared
    return Use(len(members), descriptors, memory, len(shared), len(list(temporary.rglob("*"))))


def start(place: Path, temporary: Path, epochs: int) -> subprocess.Popen:
    """Starts a run that is saved after so many epochs, each time."""
    config = folder_runs.write_config(place, place / "data")
    changes = (
        "train.steps=100000000,data.workers=2,"
        f"checkpoint.every_epochs={epochs}.0,eval.every_epochs=300"
    )
    return subprocess.Popen(
        command("main", f"{config}:{changes}", f"--workdir={place / 'run'}"),
        cwd=ROOT,
        env={**environment(), "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def newest(place: Path) -> int:
    """The step of the run's newest checkpoint; 0 where it has none."""
    found = (place / "run" / "checkpoints").glob("[0-9]*")
    return max((int(path.name) for path in found if path.name.isdigit()), default=0)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_streaming_leaks_nothing_and_leaves_nothing(tmp_path):
    """As joblib/joblib issue 198 and pytorch/pytorch issue 93846 tell of what is left behind."""
    folder_runs.write_data(tmp_path)
    seconds, seen, ever_shared = amount(1_800, 30), list[Use](), set[str]()
    # A short path, since that of a socket may have no more than some hundred bytes.
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        for last in range(3):
            # Each save leaves some kilobytes with TensorStore, which a thousand of them would show.
            before = newest(tmp_path)
            process = start(tmp_path, temporary, epochs=100 if last < 2 else 300)
            # A run that has saved has compiled its step, and has open what it opens.
            while newest(tmp_path) <= before:
                time.sleep(0.1)
            if last < 2:
                process.kill()
                process.wait()
                continue
            time.sleep(5)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                seen.append(use(process.pid, temporary, ever_shared))
                time.sleep(seconds / 200)
            members = family(process.pid)
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        # Workers and fork server end soon after the run, as soon as a busy machine lets them.
        end = time.monotonic() + 60
        while left := [member for member in members if Path(f"/proc/{member}").exists()]:
            assert time.monotonic() < end, left
            time.sleep(0.1)
        assert not list(temporary.iterdir())
    assert ever_shared and not [path for path in ever_shared if Path(path).exists()]
    third = len(seen) // 3
    # The least of many moments, since an evaluation has workers of its own for a while.
    early, late = (
        Use(*map(min, zip(*part, strict=True))) for part in (seen[:third], seen[-third:])
    )
    print(f"{seconds} s of streaming: at first {early}, at last {late}")
    assert late.memory < early.memory * 1.05 + 2**24
    for name in ("processes", "descriptors", "shared_files", "temporary_files"):
        assert getattr(late, name) <= getattr(early, name), name
