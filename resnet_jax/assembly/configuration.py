"""Reading configurations and overriding their keys."""

import re
import runpy
from collections.abc import Sequence
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from resnet_jax.assembly.choices import CHOICES, SECTIONS
from resnet_jax.assembly.keys import check_key, flatten
from resnet_jax.data.changes.augment import AUGMENTATIONS
from resnet_jax.data.photographs import KEYS
from resnet_jax.data.sources.catalogue import SOURCES
from resnet_jax.models import ROWS
from resnet_jax.models.building import DEFAULTS, RULES_OUT, with_defaults
from resnet_jax.tables import UserError, choose, literal, nearest, options_of, split

# Keys of `model` that a published network leaves open: how it is computed and how it starts.
NOT_OF_A_NETWORK = ("kernel_init", "zero_init_branch", "scan_blocks", "remat", "dtype")

Overrides = Sequence[tuple[str, str]]


def read(text: str, overrides: Overrides = ()) -> ConfigDict:
    """Returns the configuration of FILE or of FILE:depth=110,shortcut=C.

    Args:
      overrides: (key, value) pairs that are set after those, as by --config.KEY=VALUE.

    Raises:
      UserError: there is no such file, or what `override` raises.
    """
    path, _, changes = text.partition(":")
    if not Path(path).is_file():
        raise UserError(
            f"there is no configuration file {path}: give --config one of those in configs/"
        )
    get_config = runpy.run_path(path)["get_config"]
    config = get_config(changes) if changes else get_config()
    for key, value in overrides:
        set_value(config, key, value)
    return config


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
        elif not equals:
            values[key] = True
        else:
            kind = type(defaults[key])
            try:
                values[key] = kind(value)
            except ValueError:
                raise UserError(
                    f"{item} has the wrong type: give a value of type {kind.__name__}"
                ) from None
    return values, ",".join(rest)


def override(config: ConfigDict, text: str) -> ConfigDict:
    """Applies the changes behind the colon of --config=FILE:depth=110,shortcut=C.

    A key without a dot belongs to `config.model`, or is an option of one of its rows; others are
    written in full. `name=resnet50d` chooses that published network.

    Raises:
      UserError: not of that form, an unknown key, or a value of another type.
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


def set_network(config: ConfigDict, name: str) -> None:
    """Sets every key that describes the network to the published network's value.

    Raises:
      UserError: there is no such network; names the nearest.
    """
    row = choose(ROWS, name, "network")
    chosen = {**DEFAULTS, **row}
    for key in config.model:
        # A published network without a depth gives its stages' depths, which are used instead.
        if key not in NOT_OF_A_NETWORK and (key, chosen[key]) != ("depth", None):
            value = chosen[key]
            config.model[key] = float(value) if key == "width_factor" else value
    norm, options = split(chosen["norm"])
    for key in list(config.norm):
        del config.norm[key]
    config.norm.update({"name": norm, **options})


def set_value(config: ConfigDict, key: str, text: str) -> None:
    """Sets a key to a value written as in Python; text that is no Python literal is a string.

    A key that chooses a row removes the options of the row chosen before. A depth resets the depths
    of stages, and a branch the branches of stages, since both say the same.

    Raises:
      UserError: no such key, an option that its row does not take, or a value of another type.
    """
    if key == "name":
        set_network(config, text)
        return
    value = literal(text)
    key = _full_key(config, key)
    section, _, name = key.rpartition(".")
    if section in CHOICES:
        _set_option(config, section, name, value)
    elif section in SECTIONS and name == "name":
        _choose_in_section(config, section, str(value))
    elif section in SECTIONS and value is None and name in _options_in(config, section):
        # The row's default, as where nothing is said.
        del config[section][name]
    elif section in SECTIONS and name not in config[section]:
        _set_in_section(config, section, name, value)
    elif section == "data" and name not in config.data and key not in CHOICES:
        _check_data_key(config, name)
        config.data[name] = value
    else:
        check_key(config, key)
        _set_typed(config, key, value, text)
    for given, ruled_out in RULES_OUT.items():
        if key == f"model.{given}" and value is not None:
            config.model[ruled_out] = ()


def _full_key(config: ConfigDict, key: str) -> str:
    """'depth' -> 'model.depth', 'gate_bias' -> 'model.shortcut.gate_bias'."""
    if "." in key or key in config:
        return key
    if key in config.model:
        return f"model.{key}"
    owners = [where for where, row in _rows_of_the_network(config) if key in options_of(row)]
    if len(owners) > 1:
        keys = " or ".join(f"{where}.{key}" for where in owners)
        raise UserError(f"'{key}' is an option of several rows: write {keys}")
    if not owners:
        _check_option(config, key)
    return f"{owners[0]}.{key}" if owners else f"model.{key}"


def _check_option(config: ConfigDict, key: str) -> None:
    """Raises UserError where rows that were not chosen take this option."""
    takers = [
        f"{where}={name}"
        for where, table in {**CHOICES, **SECTIONS}.items()
        for name, row in table.items()
        if where.startswith(("model.", "norm")) and key in options_of(row)
    ]
    if takers:
        raise UserError(f"'{key}' is an option of rows that are not chosen: {', '.join(takers)}")


def _rows_of_the_network(config: ConfigDict) -> list[tuple[str, Any]]:
    """The rows that `config.model` and `config.norm` choose, by the keys that choose them."""
    model = with_defaults(config.model.to_dict())
    chosen = {f"model.{key}": value for key, value in model.items()}
    found = [(where, chosen[where], table) for where, table in CHOICES.items() if where in chosen]
    found.append(("norm", config.norm.name, SECTIONS["norm"]))
    names = [(where, split(choice)[0], table) for where, choice, table in found]
    return [(where, table.with_foreign(name).get(name)) for where, name, table in names]


def _set_option(config: ConfigDict, where: str, option: str, value: Any) -> None:
    section, _, key = where.partition(".")
    values = config.to_dict()[section]
    choice = (with_defaults(values) if section == "model" else values)[key]
    name, options = split(choice)
    options = CHOICES[where].typed({"name": name, **options, option: value})
    config[section][key] = {"name": name, **options}


def _options_in(config: ConfigDict, section: str) -> list[str]:
    """The options of the section's row that the configuration states."""
    table, row = SECTIONS[section], config[section].name
    return [name for name in options_of(table.row(row)) if name in config[section]]


def _set_in_section(config: ConfigDict, section: str, option: str, value: Any) -> None:
    table, row = SECTIONS[section], config[section].name
    taken = options_of(table.row(row))
    if option not in taken and nearest(option, config[section]):
        check_key(config, f"{section}.{option}")
    config[section].update(table.typed({"name": row, option: value}))


def _choose_in_section(config: ConfigDict, section: str, name: str) -> None:
    table = SECTIONS[section]
    table.choose(name)
    before, after = options_of(table.row(config[section].name)), options_of(table.row(name))
    for option in before.keys() - after.keys():
        if option in config[section]:
            del config[section][option]
    config[section].name = name


def _check_data_key(config: ConfigDict, name: str) -> None:
    """Raises UserError where nothing that reads `config.data` takes this key."""
    source, _ = split(config.data.to_dict()["source"])
    sources = SOURCES.with_foreign(source).values()
    valid = {*KEYS, *AUGMENTATIONS, "augment"}
    valid |= {option for row in sources for option in options_of(row)} - {"splits"}
    if name not in valid:
        raise UserError(
            f"unknown configuration key 'data.{name}'{nearest(name, valid)}; valid in data:"
            f" {', '.join(sorted(valid))}"
        )


def _set_typed(config: ConfigDict, key: str, value: Any, text: str) -> None:
    if key in CHOICES and value is not None:
        CHOICES[key].choose(value)
        with config.ignore_type():
            config.update_from_flattened_dict({key: value})
        return
    *sections, name = key.split(".")
    kind = reduce(getitem, sections, config).get_type(name)
    if kind is bool and text in ("true", "false"):
        value = text == "true"
    elif kind is str and value is not None:
        value = value if isinstance(value, str) else text
    try:
        config.update_from_flattened_dict({key: value})
    except (TypeError, ValueError):
        expected = type(flatten(config.to_dict())[key]).__name__
        raise UserError(
            f"config.{key}={text} has the wrong type: give a value of type {expected}"
        ) from None
