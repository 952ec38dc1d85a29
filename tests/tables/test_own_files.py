"""Users' files of rows and what these import: found, hashed, run, and kept apart by content."""

import hashlib
import sys

import pytest

from resnet_jax.tables import UserError
from resnet_jax.tables.foreign import foreign_module, foreign_row
from resnet_jax.tables.own_files import content_hash, file_of_rows, imports_of

FILES = {
    "my_rows.py": "import json\nfrom gates import gate\nimport lab.wide\n"
                  "def late():\n    import later\n    return later.VALUE\n"
                  "def both():\n    return gate(), lab.wide.width()\n",
    "gates.py": "from numbers_of_mine import START\ndef gate():\n    return START\n",
    "numbers_of_mine.py": "START = 1\n",
    "later.py": "VALUE = 'late'\n",
    "lab/__init__.py": "",
    "lab/wide.py": "from . import parts\nfrom .parts import WIDTH\n"
                   "def width():\n    return WIDTH * parts.TIMES\n",
    "lab/parts.py": "WIDTH, TIMES = 4, 2\n",
    "lab/unused.py": "",
}  # fmt: skip


def write(folder, **changed):
    for name, text in {**FILES, **changed}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "my_rows.py"


def test_what_a_file_imports_of_the_users_is_found_and_nothing_else(tmp_path):
    found = imports_of(file_of_rows(write(tmp_path)))
    assert {"/".join(file.inside) for file in found.values()} == {*FILES} - {
        "my_rows.py", "lab/unused.py",
    }  # fmt: skip


def test_imports_work_as_they_do_in_a_script(tmp_path):
    module = foreign_module(write(tmp_path))
    assert module.both() == (1, 8)
    # An import inside of a function comes when that is called, long after the file has run.
    assert module.late() == "late"
    assert not {"gates", "lab", "later", "numbers_of_mine"} & sys.modules.keys()


@pytest.mark.parametrize("name", [name for name in FILES if name != "lab/unused.py"])
def test_the_hash_follows_the_content_of_every_file_that_is_used(tmp_path, name):
    path = write(tmp_path)
    before = content_hash(path)
    (tmp_path / "lab/unused.py").write_text("x = 1\n")
    assert content_hash(path) == before
    (tmp_path / name).write_text(FILES[name] + "# another\n")
    assert content_hash(path) != before


def test_a_file_that_imports_nothing_of_the_users_has_the_hash_of_its_content(tmp_path):
    path = tmp_path / "alone.py"
    path.write_text("import json, numpy\nfrom resnet_jax import models\n")
    assert content_hash(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_two_contents_of_an_import_live_in_one_process(tmp_path):
    one = write(tmp_path / "one")
    other = write(tmp_path / "two", **{"numbers_of_mine.py": "START = 7\n"})
    assert [foreign_row(f"{path}:both")() for path in (one, other, one)] == [(1, 8), (7, 8), (1, 8)]
    (tmp_path / "one/numbers_of_mine.py").write_text("START = 3\n")
    assert foreign_row(f"{one}:both")() == (3, 8)


def test_a_module_in_the_current_folder_is_the_users_too(tmp_path, monkeypatch):
    path = write(tmp_path / "rows")
    (tmp_path / "rows/gates.py").rename(tmp_path / "gates.py")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "numbers_of_mine.py").write_text("START = 5\n")
    assert imports_of(file_of_rows(path))["gates"].path == tmp_path / "gates.py"
    assert foreign_module(path).both() == (5, 8)


def test_files_that_import_each_other(tmp_path):
    path = tmp_path / "one.py"
    path.write_text("import two\nX = 1\ndef both():\n    return X + two.Y\n")
    (tmp_path / "two.py").write_text("import one\nY = 2\n")
    assert foreign_module(path).both() == 3


def test_a_mistake_in_an_import_is_named_with_its_file_and_line(tmp_path):
    path = write(tmp_path, **{"gates.py": "x = 1\ny = x / 0\n"})
    with pytest.raises(UserError, match=r"gates\.py, line 2, raises ZeroDivisionError"):
        foreign_module(path)
