"""Reading configurations: a file, the changes behind its colon, and new values of single keys."""

import inspect
import re
import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from resnet_jax.assembly import configuration_files
from resnet_jax.assembly.checking import check, check_complete
from resnet_jax.assembly.overrides import set_network, set_value
from resnet_jax.assembly.sections import lock
from resnet_jax.tables import UserError, domains
from resnet_jax.tables.running import running

__all__ = ["arguments", "override", "read", "set_network", "set_value"]

Overrides = Sequence[tuple[str, str]]


def read(text: str, overrides: Overrides = ()) -> ConfigDict:
    """Returns the configuration of FILE.py, of NAME, or of either with :depth=110,shortcut=C.

    Args:
      overrides: (key, value) pairs that are set after those, as by --config.KEY=VALUE.

    Raises:
      UserError: there is no such file or name, it gives no configuration, what `override` raises,
        or a value that its key does not allow.
    """
    where, _, changes = text.partition(":")
    config = _from_file(configuration_files.find(where), changes)
    for key, value in overrides:
        set_value(config, key, value)
    check(config)
    return config


def _from_file(path: Path, changes: str) -> ConfigDict:
    with running(path):
        get_config = runpy.run_path(str(path)).get("get_config")
        if not callable(get_config):
            raise UserError(
                f"{path} defines no function get_config: let it define one that returns the"
                " configuration, as the files in configs/ do"
            )
        if changes and inspect.signature(get_config).parameters:
            config = get_config(changes)
        else:
            config = get_config()
            if changes and isinstance(config, ConfigDict):
                override(config, changes)
    if not isinstance(config, ConfigDict):
        raise UserError(
            f"get_config of {path} returns a {type(config).__name__}: let it change and return the"
            " ConfigDict of resnet_jax.configs.default.get_config()"
        )
    check_complete(config)
    return lock(config)


def arguments(text: str, **defaults: Any) -> tuple[dict[str, Any], str]:
    """Separates the arguments of a configuration file from the changes behind the colon.

    Args:
      text: as `override` reads it, except that a flag of the file has no value.
      defaults: the file's arguments; an argument whose default is False is a flag.

    Returns:
      The arguments' values, and the other changes.

    Raises:
      UserError: a value of another type.
    """
    values, rest = dict(defaults), []
    for item in text.split(","):
        key, equals, value = item.partition("=")
        if key not in defaults or (defaults[key] is False) == bool(equals):
            rest.append(item)
        else:
            values[key] = domains.read(value, type(defaults[key]), key) if equals else True
    return values, ",".join(rest)


def override(config: ConfigDict, text: str) -> ConfigDict:
    """Applies the changes behind the colon of --config=FILE:depth=110,shortcut=C.

    A key without a dot belongs to `config.model`, or is an option of one of its rows; others are
    written in full. `name=resnet50d` chooses that published network.

    Raises:
      UserError: not of that form, an unknown key, or a value that the key does not allow.
    """
    # Commas inside parentheses belong to a tuple.
    for item in filter(None, re.split(r",(?![^(]*\))", text)):
        key, equals, value = item.partition("=")
        if not equals:
            raise UserError(
                f"'{item}' behind the configuration's colon is not KEY=VALUE: write for example"
                " :depth=110,shortcut=C"
            )
        set_value(config, key, value)
    return config
