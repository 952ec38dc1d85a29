"""The users' files that a run's rows come from, copied into the folder `rows` of the run.

What these files import of the user's lies beside them, as the imports find it there. The files'
hashes are in `rows/sha256sums`, as `sha256sum -c` reads them.
"""

import difflib
import hashlib
from pathlib import Path
from typing import NamedTuple

from ml_collections import ConfigDict

from resnet_jax.assembly.keys import mapped
from resnet_jax.reporting.files import replace
from resnet_jax.tables import UserError
from resnet_jax.tables.foreign import foreign_file
from resnet_jax.tables.own_files import OwnFile, file_of_rows, imports_of

ROWS = "rows"


class _Used(NamedTuple):
    """A user's file that a configuration uses, and the name of a row that needs it."""

    file: OwnFile
    row: str


def stored_row(workdir: Path, name: str) -> str:
    """'some/my_rows.py:gate' -> 'RUN/rows/my_rows.py:gate'."""
    path = foreign_file(name)
    assert path is not None
    return f"{workdir / ROWS / path.name}:{name.rpartition(':')[2]}"


def _used(config: ConfigDict) -> dict[str, _Used]:
    """The files that a configuration uses, by their paths below the folder of rows."""
    found: dict[str, _Used] = {}

    def note(name: str) -> str:
        path = foreign_file(name)
        assert path is not None
        of_rows = file_of_rows(path)
        for file in (of_rows, *imports_of(of_rows).values()):
            before, _ = found.setdefault("/".join(file.inside), _Used(file, name))
            if before.path.resolve() != file.path.resolve():
                raise UserError(
                    f"{before.path} and {file.path} have one name: rename one of the files of rows"
                )
        return name

    mapped(config.to_dict(), note)
    return found


def store_rows(workdir: Path, config: ConfigDict) -> None:
    """Copies the files into the run's folder.

    Raises:
      OSError: it can't be written.
      UserError: a file can't be read, or two have one name.
    """
    contents = {name: file.content() for name, (file, _) in _used(config).items()}
    if not contents:
        return
    for name, content in contents.items():
        replace(workdir / ROWS / name, content)
    sums = sorted((name, hashlib.sha256(content).hexdigest()) for name, content in contents.items())
    replace(workdir / ROWS / "sha256sums", "".join(f"{digits}  {name}\n" for name, digits in sums))


def check_rows(workdir: Path, config: ConfigDict) -> None:
    """Raises UserError where a file of rows is not the one that the run began with."""
    for name, (file, row) in _used(config).items():
        kept = workdir / ROWS / name
        if not kept.is_file() or file.content() == kept.read_bytes():
            continue
        before, now = (content.decode(errors="replace").splitlines()
                       for content in (kept.read_bytes(), file.content()))  # fmt: skip
        lines = difflib.unified_diff(before, now, n=0, lineterm="")
        changed = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
        raise UserError(
            f"{file.path} changed since the run in {workdir} began ({'; '.join(changed[:4])}): give"
            f" {stored_row(workdir, row)} in place of {row} to go on with the stored files, or"
            " another --workdir"
        )
