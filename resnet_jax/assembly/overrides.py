"""New values of single keys, written as text: --config.KEY=VALUE, or behind the colon of a file."""

from typing import Any

from ml_collections import ConfigDict

from resnet_jax.assembly.choices import CHOICES, KEYS_OF_DATA, SECTIONS, keys_of
from resnet_jax.assembly.keys import unknown_key
from resnet_jax.assembly.sections import RECORDS
from resnet_jax.models import find
from resnet_jax.models.building import DEFAULTS, RULES_OUT, with_defaults
from resnet_jax.tables import (
    UserError,
    annotations_of,
    domains,
    literal,
    nearest,
    options_of,
    split,
)

# Keys of `model` that a published network leaves open: how it is computed and how it starts.
NOT_OF_A_NETWORK = ("kernel_init", "zero_init_branch", "scan_blocks", "remat", "dtype")


def set_network(config: ConfigDict, name: str) -> None:
    """Sets every key that describes the network to the published network's value.

    Raises:
      UserError: there is no such network; names the nearest.
    """
    row = find(name)
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

    A key that chooses a row removes the options of the row chosen before; in a section of options,
    as `norm` and `optim`, those that the new row takes stay. An option that is set to None is left
    to its row. A depth resets the depths of stages, and a branch the branches of stages, since both
    say the same.

    Raises:
      UserError: no such key, an option that its row does not take, or not this value of it.
    """
    if key == "name":
        set_network(config, text)
        return
    key = _full_key(config, key)
    section, dot, name = key.rpartition(".")
    if section in CHOICES:
        if name == "name":
            set_value(config, section, text)
        else:
            _set_option(config, section, name, text)
        return
    value = literal(text)
    _check_known(config, section or dot, name, value)
    if value is not None or name in annotations_of(RECORDS[section]):
        value = domains.read(text, keys_of(config, section)[name], f"config.{key}")
    if section in SECTIONS and name == "name":
        _leave_row(config, section, SECTIONS[section].row(value))
    elif key == "data.source":
        _leave_source(config, split(value)[0])
    _put(config, section, name, value)
    for given, ruled_out in RULES_OUT.items():
        if key == f"model.{given}" and value is not None:
            config.model[ruled_out] = ()


def _put(config: ConfigDict, section: str, name: str, value: Any) -> None:
    """Sets a key, or removes it where its value is left to a row."""
    values = config[section] if section else config
    with values.ignore_type():
        if value is not None or name in annotations_of(RECORDS[section]):
            values[name] = value
        elif name in values:
            del values[name]


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


def _set_option(config: ConfigDict, where: str, option: str, text: str) -> None:
    section, _, key = where.partition(".")
    values = config.to_dict()[section]
    chosen = (with_defaults(values) if section == "model" else values)[key]
    if chosen is None:
        raise UserError(f"config.{where}.{option}={text} is an option of a row: choose {where}")
    name, options = split(chosen)
    row = CHOICES[where].row(name)
    value = literal(text)
    if value is not None and option in options_of(row):
        value = domains.read(text, annotations_of(row)[option], f"config.{where}.{option}")
    options = CHOICES[where].typed({"name": name, **options, option: value})
    _put(config, section, key, {"name": name, **options})


def _check_known(config: ConfigDict, section: str, name: str, value: Any) -> None:
    """Raises UserError where the section takes no such key; None unsets that of any row."""
    valid = keys_of(config, section) if section in RECORDS else {}
    if name in valid:
        return
    if section in SECTIONS and value is None:
        valid = {key: row for row in SECTIONS[section].values() for key in options_of(row)} | valid
        if name in valid:
            return
    if section in SECTIONS and not nearest(name, annotations_of(RECORDS[section])):
        SECTIONS[section].typed({"name": config[section].name, name: ""})
    raise unknown_key(section, name, valid)


def _leave_row(config: ConfigDict, section: str, row: Any) -> None:
    """Removes the options that this new row of the section does not take, or not as they are."""
    before, domain = options_of(SECTIONS[section].row(config[section].name)), annotations_of(row)
    for option in before:
        if option in config[section] and not (
            option in options_of(row) and domains.allows(domain[option], config[section][option])
        ):
            del config[section][option]


def _leave_source(config: ConfigDict, name: str) -> None:
    """Removes the options of the source chosen before that this new one does not take."""
    table, before = CHOICES["data.source"], split(config.to_dict()["data"]["source"])[0]
    kept = {*options_of(table.row(name)), *KEYS_OF_DATA, *annotations_of(RECORDS["data"])}
    for option in options_of(table.row(before)):
        if option not in kept and option in config.data:
            del config.data[option]
