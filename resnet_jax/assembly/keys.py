"""The keys of a configuration: which ones exist, and which ones change what a run computes."""

import json
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from resnet_jax.tables import UserError, nearest
from resnet_jax.tables.foreign import content_hash, foreign_file

# Keys that do not change what a run computes, so a run may continue with other values.
FREE_KEYS = (
    "report.",
    "checkpoint.",
    "data.dir",
    "data.workers",
    "eval.batch_size",
    "eval.metrics",
    "train.steps_per_call",
    "mesh.",
    "model.scan_blocks",
    "model.remat",
)
# Sections that take the options of rows, which the rows check.
OPEN = ("norm", "data", "optim", "schedule")


def lock(config: ConfigDict) -> ConfigDict:
    """Refuses new keys, except in the sections that take the options of rows."""
    config.lock()
    for section in OPEN:
        config[section].unlock()
    return config


def check_key(config: ConfigDict, key: str) -> None:
    """Raises UserError where the configuration has no such key."""
    values = config.to_dict()
    keys = flatten(values)
    section, _, name = key.rpartition(".")
    if key in keys or name in values.get(section, {}):
        return
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
    """Returns every key that changes what a run computes, as flat JSON values.

    The name of a row in a user's own file comes with a hash of the file's content.
    """
    flat = flatten(json.loads(config.to_json()))
    kept = {key: flat[key] for key in sorted(flat) if not key.startswith(FREE_KEYS)}
    return {key: mapped(value, identified) for key, value in kept.items()}


def mapped(value: Any, change: Callable[[str], Any]) -> Any:
    """The value with `change` applied to every name of a row in a user's file, at any depth."""
    if isinstance(value, dict):
        return {key: mapped(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(mapped(item, change) for item in value)
    return change(value) if foreign_file(value) is not None else value


def identified(name: str) -> str:
    """'some/my_rows.py:gate' -> 'my_rows.py:gate@' and the first digits of the file's SHA-256."""
    path = foreign_file(name)
    assert path is not None
    return f"{path.name}:{name.rpartition(':')[2]}@{content_hash(path)[:16]}"
