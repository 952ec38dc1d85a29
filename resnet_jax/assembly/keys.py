"""The keys of a configuration: which ones exist, and which ones change what a run computes."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ml_collections import ConfigDict

from resnet_jax.assembly.sections import RECORDS
from resnet_jax.tables import UserError, nearest, options_of
from resnet_jax.tables.foreign import foreign_file
from resnet_jax.tables.own_files import content_hash

# Keys that do not change what a run computes, so a run may continue with other values.
FREE_KEYS = (
    "report.",
    "checkpoint.",
    "data.dir",
    "data.workers",
    "eval.batch_size",
    "eval.metrics",
    "eval.target_top1",
    "train.steps_per_call",
    "mesh.",
    "model.scan_blocks",
    "model.remat",
)


# Keys that decide which arrays a training state has, and those among them that do not.
SHAPES = ("model.", "norm.", "optim.", "finetune.", "train.ema_decay")
NUMBERS = ("optim.rate", "optim.weight_decay")


def of_state(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that decide which arrays a training state has."""
    return {k: v for k, v in facts.items() if k.startswith(SHAPES) and k not in NUMBERS}


def unknown_key(section: str, name: str, valid: Iterable[str]) -> UserError:
    """The sentence on a key that a section does not take.

    Args:
      valid: the keys that it takes.
    """
    every = [
        _full(section, key) for section, record in RECORDS.items() for key in options_of(record)
    ]
    key, siblings = _full(section, name), [_full(section, other) for other in valid]
    if section in RECORDS:
        words = f"valid in {section or 'no section'}: {', '.join(sorted(valid))}"
    else:
        words = f"valid sections: {', '.join(sorted(filter(None, RECORDS)))}"
    likely = nearest(key, siblings) or nearest(key, every)
    return UserError(f"unknown configuration key '{key}'{likely}; {words}")


def _full(section: str, name: str) -> str:
    return f"{section}.{name}" if section else name


def defaults() -> dict[str, Any]:
    """The default of every key, flat, as a JSON value."""
    flat = {
        _full(section, key): default
        for section, record in RECORDS.items()
        for key, default in options_of(record).items()
    }
    return json.loads(json.dumps(flat))


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

    The name of a row in a user's own file comes with a hash of that file and of what it imports of
    the user's.
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
    """'some/my_rows.py:gate' -> 'my_rows.py:gate@' and the first digits of its content's hash."""
    path = foreign_file(name)
    assert path is not None
    return f"{path.name}:{name.rpartition(':')[2]}@{content_hash(path)[:16]}"
