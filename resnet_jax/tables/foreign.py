"""Rows of a user's own file: 'my_rows.py:scalar_gate' names one, and running the file makes it."""

import builtins
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from resnet_jax.tables.errors import UserError, nearest
from resnet_jax.tables.own_files import OwnFile, adopt, file_of_rows, hash_of, imports_of
from resnet_jax.tables.running import running

Contents = dict[Path, bytes]
# The users' files that this process has run, by the names of their modules, and the contents that
# they were run with, for other processes that are sent their objects.
FOREIGN_FILES: dict[str, tuple[OwnFile, Contents]] = {}


def foreign_file(name: object) -> Path | None:
    """The file of 'my_rows.py:scalar_gate'; None for everything else."""
    if not isinstance(name, str):
        return None
    path, colon, attribute = name.rpartition(":")
    return Path(path) if colon and path.endswith(".py") and attribute.isidentifier() else None


def foreign_row(name: str) -> Any:
    """The row that 'my_rows.py:scalar_gate' names.

    Raises:
      UserError: the file can't be run, or has no such row.
    """
    path = foreign_file(name)
    assert path is not None
    attribute = name.rpartition(":")[2]
    rows = vars(foreign_module(path))
    if attribute not in rows:
        own = [key for key in rows if not key.startswith("_")]
        raise UserError(f"{path} defines no '{attribute}'{nearest(attribute, own)}")
    return rows[attribute]


def foreign_module(path: Path) -> ModuleType:
    """Runs a user's file once for each content that it and its own imports have."""
    return _module(file_of_rows(path))


def contents_for(pickled: bytes) -> tuple[list[OwnFile], Contents]:
    """The users' files that pickled objects come from, and the contents that these need."""
    found = [entry for name, entry in FOREIGN_FILES.items() if name.encode() in pickled]
    contents = {path: content for _, needed in found for path, content in needed.items()}
    return [file for file, _ in found], contents


def run_given(files: Sequence[OwnFile], contents: Contents) -> None:
    """Runs users' files as another process has read them; see contents_for."""
    adopt(contents)
    for file in files:
        _module(file)


def _module(file: OwnFile) -> ModuleType:
    name = f"{file.module.replace('.', '_')}_{hash_of(file)[:16]}"
    if name not in sys.modules:
        contents = {each.path: each.content() for each in (file, *imports_of(file).values())}
        module = ModuleType(name)
        module.__file__ = str(file.path)
        # Modules that it imports of the user's are named by their contents as well: so two runs
        # whose files differ can be opened in one process.
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": _importing(file)}
        # Entered before it runs, since a dataclass looks its module up there.
        sys.modules[name] = module
        try:
            with running(file.path):
                exec(compile(contents[file.path], str(file.path), "exec"), vars(module))
        except UserError:
            del sys.modules[name]
            raise
        FOREIGN_FILES[name] = file, contents
    return sys.modules[name]


def _importing(file: OwnFile) -> Callable[..., Any]:
    """What the statement `import` calls in a user's file."""
    loaded: dict[str, ModuleType] = {}

    def load(name: str) -> ModuleType:
        """The module of this dotted name, as an attribute of the one before its last dot."""
        if name not in loaded:
            found = file.find(name)
            # A folder without a file of its own is a package, too.
            loaded[name] = ModuleType(name) if found is None else _module(found)
        parent, _, own = name.rpartition(".")
        if parent:
            setattr(load(parent), own, loaded[name])
        return loaded[name]

    def importer(
        name: str, names: Any = None, local: Any = None, wanted: Any = (), level: int = 0
    ) -> Any:
        whole = file.absolute(name, level)
        parts = [f"{whole}.{part}" for part in wanted or () if file.find(f"{whole}.{part}")]
        if not (whole and (parts or file.find(whole))):
            return builtins.__import__(name, names, local, wanted, level)
        found = load(whole)
        for part in parts:
            load(part)
        return found if wanted else load(whole.partition(".")[0])

    return importer
