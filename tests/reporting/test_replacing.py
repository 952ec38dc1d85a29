"""Files that are whole, or not there."""

import os

import pytest

from resnet_jax.reporting import files


def test_text_and_bytes_replace_what_was_there(tmp_path):
    path = tmp_path / "new" / "file.txt"
    files.replace(path, "é")
    files.replace(path, b"\xff")
    assert path.read_bytes() == b"\xff"
    assert list(path.parent.iterdir()) == [path]


def test_text_that_is_no_unicode_is_written_as_numbers(tmp_path):
    files.replace(tmp_path / "page.html", "é\udcff")
    assert (tmp_path / "page.html").read_text() == "é\\udcff"


@pytest.mark.parametrize("raised", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_stops_a_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, raised):
    path = tmp_path / "file.txt"
    files.replace(path, "old")

    def fail(*_):
        raise raised

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(type(raised)) as error:
        files.replace(path, "new")
    if isinstance(raised, OSError):
        assert error.value.filename == str(path) and error.value.errno == 28
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_drafts_of_killed_processes_are_cleared(tmp_path):
    kept = ["metrics.jsonl", "a.tmp", "x.12.tmp.png"]
    for name in [*kept, "metrics.123.tmp", "config.4.tmp"]:
        (tmp_path / name).touch()
    files.clear_drafts(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
