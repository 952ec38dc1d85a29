"""Which files a user's file of rows is made of: itself, and what it imports of the user's own.

A file is the user's own where it lies beside the file of rows, or where Python looks for modules
outside of its own library and of installed packages. Files that are read while a row runs, and not
imported, are not found.
"""

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from resnet_jax.tables.errors import UserError

# Contents that count in place of what the files hold now: those that another process has read.
GIVEN: dict[Path, bytes] = {}
_INSTALLED = {"site-packages", "dist-packages"}
_LIBRARY = {Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib")}


class OwnFile(NamedTuple):
    """A user's file.

    Attributes:
      module: its dotted name, as an import has it.
    """

    path: Path
    module: str

    @property
    def root(self) -> Path:
        """The folder that its dotted name begins in."""
        return self.path.parents[len(self.inside) - 1]

    @property
    def inside(self) -> tuple[str, ...]:
        """The parts of its path below the root: ('layers.py',) or ('mylab', '__init__.py')."""
        parts = tuple(self.module.split("."))
        if self.path.name == "__init__.py":
            return (*parts, "__init__.py")
        return (*parts[:-1], self.path.name)

    @property
    def package(self) -> str:
        """The package that its relative imports begin in; '' outside of any."""
        return self.module if self.path.name == "__init__.py" else self.module.rpartition(".")[0]

    def content(self) -> bytes:
        """What it holds.

        Raises:
          UserError: it can't be read.
        """
        if self.path in GIVEN:
            return GIVEN[self.path]
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise UserError(
                f"the file of rows {self.path} can't be read ({error.strerror}): give its path from"
                " here"
            ) from None

    def find(self, module: str) -> "OwnFile | None":
        """The user's file that an import of this dotted name in this file means, if any."""
        name = module.partition(".")[0]
        if not module or name in sys.stdlib_module_names or name == "resnet_jax":
            return None
        for root in (self.root, *_places()):
            place = root.joinpath(*module.split("."))
            for path in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
                if path in GIVEN or path.is_file():
                    return OwnFile(path, module)
        return None

    def absolute(self, name: str, level: int) -> str:
        """The dotted name behind an import that begins with `level` dots."""
        base = self.package.split(".")
        base = base[: len(base) - level + 1] if level else []
        return ".".join(filter(None, [*base, name]))


def file_of_rows(path: Path) -> OwnFile:
    """A user's file that a row's name begins with."""
    return OwnFile(path, path.stem.replace(".", "_"))


def imports_of(file: OwnFile) -> dict[str, OwnFile]:
    """The user's files that this one imports, directly or not, by their dotted names."""
    found: dict[str, OwnFile] = {}
    waiting = [file]
    while waiting:
        for other in _direct(waiting.pop()):
            if other.module not in found and other.path != file.path:
                found[other.module] = other
                waiting.append(other)
    return dict(sorted(found.items()))


def content_hash(path: Path) -> str:
    """SHA-256 of a user's file of rows and of what it imports of the user's, in hexadecimal digits.

    It is the hash of the file where that imports none.

    Raises:
      UserError: one of them can't be read.
    """
    return hash_of(file_of_rows(path))


def hash_of(file: OwnFile) -> str:
    """See content_hash."""
    own, others = hashlib.sha256(file.content()), imports_of(file)
    for module, other in others.items():
        own.update(f"\n{module} {hashlib.sha256(other.content()).hexdigest()}".encode())
    return own.hexdigest()


def _direct(file: OwnFile) -> Iterator[OwnFile]:
    """The user's files that an import anywhere in the file names, and their packages."""
    try:
        tree = ast.parse(file.content())
    except (SyntaxError, ValueError):  # running it says what is wrong
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            whole = file.absolute(node.module or "", node.level)
            names = [whole, *(f"{whole}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            for length in range(1, len(parts) + 1):
                if other := file.find(".".join(parts[:length])):
                    yield other


def _places() -> list[Path]:
    """Where Python looks for modules, without its library and installed packages."""
    places = (Path(entry or ".") for entry in sys.path)
    return [place for place in places if place.is_dir() and not _is_installed(place.resolve())]


def _is_installed(place: Path) -> bool:
    return bool(_INSTALLED & {*place.parts}) or any(
        place == library or library in place.parents for library in _LIBRARY
    )


def adopt(contents: Mapping[Path, bytes]) -> None:
    """Lets these contents count from now on, as another process has read them."""
    GIVEN.update(contents)
