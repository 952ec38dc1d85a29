"""The folder of a run: its configuration, and the files of rows that it used.

`config.json` has every key. A user's files of rows are copied into `rows/`, with their hashes in
`rows/sha256sums` (as `sha256sum -c` reads them). A stored file is run only where the user trusts it
or names it, since a folder may come from someone else.
"""

import difflib
import json
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from resnet_jax.assembly.keys import FREE_KEYS, flatten, identified, mapped
from resnet_jax.assembly.older_runs import upgraded
from resnet_jax.assembly.sections import lock
from resnet_jax.reporting.files import replace
from resnet_jax.tables import UserError
from resnet_jax.tables.foreign import content_hash, foreign_file

CONFIG, ROWS = "config.json", "rows"


def load(workdir: Path, *, trust_rows: bool = False) -> ConfigDict:
    """Returns the configuration of the run in `workdir`.

    Args:
      trust_rows: whether stored files of rows may run.

    Raises:
      UserError: there is no run, or it has rows of its own that are not trusted.
    """
    path = workdir / CONFIG
    if not path.is_file():
        raise UserError(
            f"{workdir} holds no run (no {path.name}): give --workdir the folder that"
            " `python -m resnet_jax.main` wrote"
        )

    def stored(name: str) -> str:
        file = workdir / ROWS / foreign_name(name)
        if not trust_rows:
            raise UserError(
                f"the run uses '{name}', and {file} would be run to have it: read that file, then"
                " say --trust_rows"
            )
        return f"{file}:{name.rpartition(':')[2]}"

    values = mapped(_with_tuples(_read(path)), stored)
    return lock(ConfigDict(values))


def foreign_name(name: str) -> str:
    """'some/my_rows.py:gate' -> 'my_rows.py'."""
    path = foreign_file(name)
    assert path is not None
    return path.name


def _read(path: Path) -> dict[str, Any]:
    return upgraded(json.loads(path.read_text()))


def _with_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def claim(workdir: Path, config: ConfigDict, *, write: bool = True) -> None:
    """Writes config.json and the files of rows into a new workdir, or checks that they are there.

    A run without a checkpoint has nothing to lose, so its files are overwritten.

    Args:
      write: whether this process writes; one of the run's processes does.

    Raises:
      UserError: the workdir holds a run of another configuration, or can't be written.
    """
    path = workdir / CONFIG
    text = json.dumps(json.loads(config.to_json()), indent=2, sort_keys=True) + "\n"
    if path.exists() and any((workdir / "checkpoints").glob("[0-9]*")):
        _check_rows(workdir, config)
        _check_same(workdir, old=_read(path), new=json.loads(text))
    if not write:
        return
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        _store_rows(workdir / ROWS, config)
        replace(path, text)
    except OSError as error:
        raise UserError(
            f"can't write into {workdir} ({error.strerror}): give another --workdir"
        ) from None


def _files(config: ConfigDict) -> dict[str, tuple[Path, str]]:
    """The files of rows that a configuration names, by file name: the path and one row's name."""
    found: dict[str, tuple[Path, str]] = {}

    def note(name: str) -> str:
        path = foreign_file(name)
        assert path is not None
        before, _ = found.setdefault(path.name, (path, name))
        if before != path:
            raise UserError(f"{before} and {path} have one name: rename one of the files of rows")
        return name

    mapped(config.to_dict(), note)
    return found


def _store_rows(folder: Path, config: ConfigDict) -> None:
    files = _files(config)
    if not files:
        return
    for name, (path, _) in files.items():
        replace(folder / name, path.read_text())
    sums = "".join(f"{content_hash(folder / name)}  {name}\n" for name in sorted(files))
    replace(folder / "sha256sums", sums)


def _check_rows(workdir: Path, config: ConfigDict) -> None:
    """Raises UserError where a file of rows is not the one that the run began with."""
    for name, (path, row) in _files(config).items():
        stored = workdir / ROWS / name
        if not stored.is_file() or content_hash(path) == content_hash(stored):
            continue
        lines = difflib.unified_diff(
            stored.read_text().splitlines(), path.read_text().splitlines(), n=0, lineterm=""
        )
        changed = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
        raise UserError(
            f"{path} changed since the run in {workdir} began ({'; '.join(changed[:4])}): give"
            f" {stored}:{row.rpartition(':')[2]} in its place to go on with the stored file, or"
            " another --workdir"
        )


def _check_same(workdir: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    def stored(name: str) -> str:
        return identified(f"{workdir / ROWS / foreign_name(name)}:{name.rpartition(':')[2]}")

    before, now = flatten(mapped(old, stored)), flatten(mapped(new, identified))
    changed = [
        f"{key} was {before.get(key)} and is {now.get(key)}"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key) and not key.startswith(FREE_KEYS)
    ]
    if changed:
        raise UserError(
            f"{workdir} holds a run of another configuration ({'; '.join(changed)}): give another"
            " --workdir, or start with the old values to continue that run"
        )
