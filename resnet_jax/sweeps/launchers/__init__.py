"""Where the processes of a sweep run: each file of this folder is a launcher, named as the file.

The file defines LAUNCHER; the keyword parameters of its function are the launcher's options.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Sequence
from typing import Any

from resnet_jax.sweeps.jobs import Launcher
from resnet_jax.tables import (
    Table,
    UserError,
    annotations_of,
    domains,
    nearest,
    options_of,
    with_options,
)

LAUNCHERS = Table(
    "launcher",
    {
        found.name: importlib.import_module(f"{__name__}.{found.name}").LAUNCHER
        for found in pkgutil.iter_modules(__path__)
    },
    Launcher,
)


def launcher(name: str, options: Sequence[str]) -> Launcher:
    """Returns the launcher of this name with its options set.

    Args:
      options: for example ['timeout_min=600', 'slurm_partition=gpu'].

    Raises:
      UserError: there is no such launcher, or it takes no such option.
    """
    chosen = LAUNCHERS.row(name)
    parameters = inspect.signature(chosen.function).parameters.values()
    takes, annotations = list(options_of(chosen)), annotations_of(chosen)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    given: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise UserError(
                f"'{option}' of launcher '{name}' is not KEY=VALUE: write for example"
                f" --launcher={name},timeout_min=600"
            )
        if key not in takes and not takes_any:
            raise UserError(
                f"launcher '{name}' takes no {key}{nearest(key, takes)}; its options:"
                f" {', '.join(takes) or 'none'}"
            )
        given[key] = domains.read(
            value, annotations.get(key, Any), f"launcher '{name}' option {key}"
        )
    return with_options(chosen, **given)
