"""A disk that fills up: one sentence, what was saved is kept, and the next start goes on."""

import json
import math
import os
import subprocess
from pathlib import Path

import pytest
from campaigns.runs import amount, assert_equal, drawn, finish, lines, said, start


@pytest.fixture
def disk(tmp_path):
    """(size in kB, whether it is new) -> a file system of that size in memory."""
    place = tmp_path / "disk"
    place.mkdir()

    def unmount() -> None:
        if os.path.ismount(place):
            subprocess.run(["umount", "-l", str(place)], check=True)

    def resize(size: int, *, new: bool = True) -> Path:
        if new:
            unmount()
        how = "size" if new else "remount,size"
        mount = ["mount", "-t", "tmpfs", "-o", f"{how}={size}k", "tmpfs", str(place)]
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("this user may not mount a file system in memory")
        return place

    yield resize
    unmount()


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_the_next_start_goes_on(disk, uninterrupted, tmp_path):
    """As in bghira/SimpleTuner issue 2353 and facebookresearch/metaseq issue 53."""
    draw, wanted, failed, kept = drawn(), amount(30, 3), 0, 0
    for number in range(wanted):
        size = int(math.exp(draw.uniform(math.log(8), math.log(500))))
        workdir = disk(size) / f"run{number}"
        process = start(workdir, "report.page=True", log=tmp_path / "log")
        status = process.wait(timeout=300)
        disk(20_000, new=False)
        output, errors = said(tmp_path / "log")
        assert "Traceback" not in errors and "Exception" not in errors, errors
        assert status in (0, 2)
        if status == 2:
            failed += 1
            (sentence,) = [line for line in errors.splitlines() if line.startswith("error: ")]
            assert str(workdir) in sentence or "No space left" in sentence
        elif output:
            assert json.loads(output.splitlines()[-1])["step"] == 200
        kept += any((workdir / "checkpoints").glob("[0-9]*"))
        finish(workdir)
        assert_equal(workdir, uninterrupted)
        assert lines(workdir)
    print(f"{wanted} full disks: {failed} sentences, {kept} runs with a checkpoint kept, all equal")
