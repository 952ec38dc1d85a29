"""Reading, overriding, saving and comparing configurations."""

import ast
import json
import os
import re
import runpy
from collections.abc import Iterable
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from resnet_jax.tables import UserError, nearest

# Keys that do not change what a run computes, so a run may continue with other values.
FREE_KEYS = (
    "report.",
    "checkpoint.",
    "data.dir",
    "data.workers",
    "eval.batch_size",
    "train.steps_per_call",
    "mesh.",
    "model.scan_blocks",
    "model.remat",
)


# Keys of a chosen branch or shortcut.
OPTIONS_OF_ROWS = (
    "kernels", "pairs", "groups", "base_width", "first_reduction", "layout", "projection_kernel",
    "shortcut_scale", "branch_scale", "gate_bias", "shortcut_dropout",
)  # fmt: skip

# What a network that was named says of each stage gives way to a choice that is made after it.
REPLACES = {"model.depth": "model.stage_depths", "model.branch": "model.stage_branches"}


def read(text: str, overrides: Iterable[tuple[str, str]] = ()) -> ConfigDict:
    """Returns the configuration of FILE or of FILE:depth=110,shortcut=C.

    Args:
      overrides: keys written in full, and their values as text; set last, in this order.

    Raises:
      UserError: there is no such file or key, or what `override` raises.
    """
    path, _, changes = text.partition(":")
    if not Path(path).is_file():
        raise UserError(
            f"there is no configuration file {path}: give --config one of those in configs/"
        )
    get_config = runpy.run_path(path)["get_config"]
    config = get_config(changes) if changes else get_config()
    for key, value in overrides:
        check_key(config, key)
        set_value(config, key, value)
    return config


def arguments(text: str, **defaults: Any) -> tuple[dict[str, Any], str]:
    """Takes what a file itself understands out of the changes behind the colon.

    Args:
      text: as `override` reads it; a flag of the file stands there without a value.
      defaults: the file's arguments; one that is False is a flag.

    Returns:
      Their values, and the other changes.

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
    """Applies what stands behind the colon of --config=FILE:depth=110,shortcut=C.

    A key without a dot belongs to `config.model`; others are written in full. `name=resnet50d`
    makes the network that published one.

    Raises:
      UserError: not of that form, an unknown key, or a value of another type.
    """
    named = False
    # Commas inside parentheses belong to a tuple.
    for item in filter(None, re.split(r",(?![^(]*\))", text)):
        key, equals, value = item.partition("=")
        if not equals:
            raise UserError(
                f"'{item}' behind the configuration's colon is not KEY=VALUE: write for example"
                " :depth=110,shortcut=C"
            )
        if key == "name":
            set_network(config, value)
            named = True
            continue
        key = key if "." in key or key in config else f"model.{key}"
        check_key(config, key)
        set_value(config, key, value)
        if named and key in REPLACES:
            set_value(config, REPLACES[key], "()")
    return config


def set_network(config: ConfigDict, name: str) -> None:
    """Sets every key that says what the network is to what the published one has.

    Raises:
      UserError: there is no such network; names the nearest.
    """
    # Here, since verbs read their flags before they import JAX.
    from resnet_jax.models import ROWS
    from resnet_jax.models.zoo import resnet
    from resnet_jax.tables import choose, options_of

    row = choose(ROWS, name, "network")
    chosen = {**options_of(resnet), **row}
    model, norm = config.model, config.norm
    for options in ("branch_options", "shortcut_options", "attention_options", "norm_options"):
        chosen.pop(options)
    # How it is computed and started, and what the data decides, is not the network's to say.
    for key in (
        "classes",
        "kernel_init",
        "zero_init_branch",
        "scan_blocks",
        "dtype",
        "joint_norm",
        "frozen_parts",
        "remat",
    ):
        chosen.pop(key)
    norm.name, norm.weight_epsilon = chosen.pop("norm"), chosen.pop("weight_epsilon")
    norm.update({"epsilon": None, "channel_groups": None, **row.get("norm_options", {})})
    if chosen["depth"] is None:
        chosen.pop("depth")
    chosen["width_factor"] = float(chosen["width_factor"])
    reduction = row.get("attention_options", {}).get("reduction")
    none = dict.fromkeys(OPTIONS_OF_ROWS)
    given = {**row.get("branch_options", {}), **row.get("shortcut_options", {})}
    model.update({**none, **given, **chosen, "attention_reduction": reduction})


def set_value(config: ConfigDict, key: str, text: str) -> None:
    """Sets a key to a value written as in Python; what is no Python literal is a string."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
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


def check_key(config: ConfigDict, key: str) -> None:
    """Raises UserError where the configuration has no such key."""
    keys = flatten(config.to_dict())
    if key in keys:
        return
    section = key.rpartition(".")[0]
    siblings = [other for other in keys if other.rpartition(".")[0] == section]
    if section and siblings:
        valid = f"valid in {section}: {', '.join(other.rpartition('.')[2] for other in siblings)}"
    else:
        valid = f"valid sections: {', '.join(sorted({other.partition('.')[0] for other in keys}))}"
    raise UserError(
        f"unknown configuration key '{key}'{nearest(key, siblings) or nearest(key, keys)}; {valid}"
    )


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def facts(config: ConfigDict) -> dict[str, Any]:
    """Returns every key that changes what a run computes, as flat JSON values."""
    flat = flatten(json.loads(config.to_json()))
    return {key: flat[key] for key in sorted(flat) if not key.startswith(FREE_KEYS)}


def load(workdir: Path) -> ConfigDict:
    """Returns the configuration of the run in `workdir`.

    Raises:
      UserError: there is no run.
    """
    path = workdir / "config.json"
    if not path.is_file():
        raise UserError(
            f"{workdir} holds no run (no {path.name}): give --workdir the folder that"
            " `python -m resnet_jax.main` wrote"
        )
    return ConfigDict(_with_tuples(json.loads(path.read_text()))).lock()


def _with_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def claim(workdir: Path, config: ConfigDict, *, write: bool = True) -> None:
    """Writes config.json into a new workdir, or checks that the run there is of the same one.

    A run that has no checkpoint yet has nothing to lose, and gives way.

    Args:
      write: false on all but one of the processes that share the run.

    Raises:
      UserError: the workdir holds a run of another configuration, or can't be written.
    """
    path = workdir / "config.json"
    text = json.dumps(json.loads(config.to_json()), indent=2, sort_keys=True) + "\n"
    if path.exists() and any((workdir / "checkpoints").glob("[0-9]*")):
        _check_same(workdir, old=json.loads(path.read_text()), new=json.loads(text))
    if not write:
        return
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".tmp")
        draft.write_text(text)
        os.replace(draft, path)
    except OSError as error:
        raise UserError(
            f"can't write into {workdir} ({error.strerror}): give another --workdir"
        ) from None


def _check_same(workdir: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    old, new = flatten(old), flatten(new)
    changed = [
        f"{key} was {old.get(key)} and is {new.get(key)}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key) and not key.startswith(FREE_KEYS)
    ]
    if changed:
        raise UserError(
            f"{workdir} holds a run of another configuration ({'; '.join(changed)}): give another"
            " --workdir, or start with the old values to continue that run"
        )
