"""Standard output and standard error that fail while a verb works."""

import io
import json
import subprocess
import sys

import pytest
from command_line import ROOT

from resnet_jax.reporting.output import Stream, surviving

# A verb that writes to a file as well, and says more than a buffer holds.
VERB = """
import os, sys
from types import SimpleNamespace
from absl import flags
from resnet_jax.verbs.launch import launch

def work():
    file = open(sys.argv[1], "w")
    for number in range(2_000):
        print("line", number, "of a long output")
        print("line", number, file=sys.stderr)
    file.write(f"number {file.fileno()}")
    file.close()
    return {"done": True}

launch(SimpleNamespace(__name__="work", __doc__="", FLAGS=flags.FlagValues(), main=work), [])
"""


class Full(io.StringIO):
    """A stream on a full disk, after some characters."""

    def __init__(self, room):
        super().__init__()
        self._room = room

    def write(self, text):
        if self.tell() + len(text) > self._room:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_a_stream_fails_once_and_says_so_on_the_other():
    failing, other = Full(10), io.StringIO()
    stream = Stream(failing, "standard output", other)
    for _ in range(3):
        print("12345", file=stream, flush=True)
    assert failing.getvalue().startswith("12345")
    (sentence,) = other.getvalue().splitlines()
    assert "standard output can't be written (No space left on device)" in sentence
    assert stream.failure.errno == 28


def test_of_a_reader_that_leaves_nothing_is_said():
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError(32, "Broken pipe")

    other = io.StringIO()
    stream = Stream(Closed(), "standard output", other)
    print("x", file=stream, flush=True)
    assert isinstance(stream.failure, BrokenPipeError) and other.getvalue() == ""


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", "é\\udcff"), ("ascii", "\\xe9\\udcff")])
def test_letters_that_a_stream_can_not_write_are_numbers(encoding, shown):
    """As a name of a file that is no UTF-8 has them."""
    written = io.BytesIO()
    stream = Stream(io.TextIOWrapper(written, encoding), "standard output", io.StringIO())
    print("é\udcff", file=stream, end="", flush=True)
    assert written.getvalue().decode(encoding) == shown and stream.failure is None


def test_both_fail():
    stream = Stream(Full(0), "standard output", Full(0))
    print("x", file=stream, flush=True)
    assert stream.failure is not None


def test_the_streams_are_put_back(capsys):
    before = sys.stdout, sys.stderr
    with pytest.raises(ZeroDivisionError), surviving():
        assert sys.stdout is not before[0]
        print("x")
        raise ZeroDivisionError
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out == "x\n"


def shell(tmp_path, redirections):
    """Runs the verb; returns status, output, errors and what it wrote to its file."""
    (tmp_path / "verb.py").write_text(VERB)
    line = f'{sys.executable} verb.py written {redirections}; echo "status $?" >&3'
    done = subprocess.run(
        ["bash", "-c", f"cd {tmp_path} && exec 3>status; {line}"],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "GLIBC_TUNABLES": "x=0"},
        capture_output=True,
        text=True,
    )
    status = int((tmp_path / "status").read_text().split()[1])
    return status, done.stdout, done.stderr, (tmp_path / "written").read_text()


@pytest.mark.slow
def test_closed_from_the_start(tmp_path):
    """Else the file that the verb opens is taken for its standard error."""
    status, *_, written = shell(tmp_path, ">&- 2>&- <&-")
    assert status == 0 and int(written.split()[1]) > 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
@pytest.mark.parametrize(
    "redirections, status, said",
    [
        (">/dev/full", 2, "standard output can't be written (No space left on device)"),
        ("2>/dev/full", 0, "standard error can't be written (No space left on device)"),
        (">/dev/full 2>/dev/full", 2, ""),
        (">/dev/full 2>&-", 2, ""),
        ("2>&-", 0, ""),
    ],
)
def test_a_full_disk_behind_a_log(tmp_path, redirections, status, said):
    found, output, errors, written = shell(tmp_path, redirections)
    assert found == status and written.startswith("number")
    assert "Traceback" not in output + errors and "Exception" not in output + errors
    assert (output + errors).count("can't be written") == bool(said) and said in output + errors
    if ">/dev/full" not in redirections.replace("2>/dev/full", ""):
        assert json.loads(output.splitlines()[-1]) == {"done": True}


@pytest.mark.slow
@pytest.mark.parametrize("redirections", ["| head -1", "2>&1 | head -1", "2> >(head -1 >&2)"])
def test_a_reader_that_leaves(tmp_path, redirections):
    line = redirections.replace("|", "; echo $? > status2 ) |") if "|" in redirections else ""
    (tmp_path / "verb.py").write_text(VERB)
    command = f"( {sys.executable} verb.py written {line}" if line else (
        f"{sys.executable} verb.py written {redirections}; echo $? > status2")  # fmt: skip
    done = subprocess.run(
        ["bash", "-c", f"cd {tmp_path} && {command}"],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "GLIBC_TUNABLES": "x=0"},
        capture_output=True,
        text=True,
    )
    assert (tmp_path / "status2").read_text() == "0\n"
    assert (tmp_path / "written").read_text().startswith("number")
    assert "Traceback" not in done.stdout + done.stderr and "Exception" not in done.stderr
