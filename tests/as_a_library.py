"""Imports every module, trains and restores a small run, and prints what changed in the process.

python as_a_library.py FOLDER
"""

import ast
import importlib
import json
import logging
import os
import signal
import sys
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "resnet_jax"
PATHS = sorted([*PACKAGE.rglob("*.py"), *(PACKAGE / "configs").glob("*.py")])


def import_others() -> None:
    """Every other package that this one imports anywhere, so that what they set up is done."""
    names = set()
    for path in PATHS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module)
    for name in sorted(names):
        # The library of nvidia tells at length which of its parts are not installed.
        if not name.startswith(("resnet_jax", "nvidia")):
            with suppress(ImportError):
                importlib.import_module(name)


def import_own() -> None:
    for path in PATHS:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        importlib.import_module(module.removesuffix(".__init__"))


def train(folder: Path) -> None:
    from resnet_jax.assembly import configuration, restored, run

    text = "configs/digits.py:train.steps=2,stage_depths=(1,),widths=(8,),report.page=False"
    run.train(configuration.read(text, [("schedule.warmup_epochs", "0.0")]), folder)
    restored.load(folder)


def state() -> dict[str, Any]:
    import jax
    import matplotlib
    import numpy as np
    from absl import flags

    loggers = [logging.getLogger(name) for name in ("", *logging.root.manager.loggerDict)]
    return {
        **{f"jax.config.{key}": value for key, value in jax.config.values.items()},
        **{f"os.environ {key}": value for key, value in os.environ.items()},
        **{f"signal {number}": signal.getsignal(number) for number in signal.valid_signals()},
        **{f"level of {logger.name}": logger.level for logger in loggers},
        "handlers": logging.root.handlers[:],
        "hooks": (sys.unraisablehook, sys.excepthook, threading.excepthook),
        "streams": (sys.stdout, sys.stderr),
        "path": sys.path[:],
        "folder": os.getcwd(),
        "flags": (set(flags.FLAGS), flags.FLAGS.is_parsed()),
        "warnings": warnings.filters[:],
        "matplotlib": dict(matplotlib.rcParams),
        "numpy": np.geterr(),
    }


if __name__ == "__main__":
    import_others()
    before = state()
    import_own()
    imported = state()
    train(Path(sys.argv[1]))
    after = state()
    changed = {
        when: [key for key in before if found.get(key) != before[key]]
        + [key for key in found.keys() - before.keys() if not key.startswith("level")]
        for when, found in (("imported", imported), ("trained", after))
    }
    print(json.dumps(changed))
