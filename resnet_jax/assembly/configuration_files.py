"""Where a configuration stands: in a file of the user's, or in one that comes with the package."""

import os
from pathlib import Path

from resnet_jax.tables import UserError, choose

FOLDER = Path(__file__).parents[1] / "configs"


def names() -> list[str]:
    """Returns the names of the configurations that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def find(text: str) -> Path:
    """Returns the file of NAME, as 'cifar10', or of a path, as 'mine/wide.py'.

    A path ends in '.py' or contains a folder. So what lies in the current folder does not change
    the meaning of a name.

    Raises:
      UserError: there is no such file, or no configuration of this name; names the nearest.
    """
    path = Path(text)
    if path.suffix != ".py" and os.sep not in text:
        choose(dict.fromkeys(names()), text, "configuration")
        return FOLDER / f"{text}.py"
    if not path.is_file():
        known = [path.stem] if path.stem in names() else names()
        raise UserError(
            f"there is no configuration file {path}: give a file that exists, or the name of a"
            f" configuration that comes with the package: --config={' or '.join(known)}"
        )
    return path
