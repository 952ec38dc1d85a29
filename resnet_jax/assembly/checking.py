"""Whether a configuration describes a run: the domain of every key, and what keys ask of others.

Nothing is compiled, read or written for this, so that a mistake stops a run before it starts.
"""

from collections.abc import Mapping
from typing import Any

import jax
from ml_collections import ConfigDict

from resnet_jax.assembly.choices import SECTIONS, keys_of
from resnet_jax.assembly.keys import unknown_key
from resnet_jax.assembly.sections import RECORDS
from resnet_jax.tables import UserError, annotations_of, domains, options_of


def check(config: ConfigDict) -> None:
    """Checks every key against its domain, and keys against each other.

    Raises:
      UserError: a section or a key is missing or unknown, or has a value that it does not allow.
    """
    check_complete(config)
    values = config.to_dict()
    for section in RECORDS:
        _check_section(config, section, _keys(values, section))
    _check_together(values)


def check_complete(config: ConfigDict) -> None:
    """Raises UserError where a section or a key is missing."""
    values = config.to_dict()
    for section, record in RECORDS.items():
        found = _keys(values, section)
        missing = [section] if not isinstance(found, Mapping) else []
        missing = missing or [f"{section}.{key}" for key in options_of(record) if key not in found]
        if missing:
            raise UserError(
                f"the configuration has no {missing[0].lstrip('.')}: let get_config change what"
                " resnet_jax.configs.default.get_config() returns, which has every key"
            )


def _keys(values: Mapping[str, Any], section: str) -> Any:
    """The keys of a section, which may be missing; of '' those outside of all sections."""
    if section:
        return values.get(section)
    return {key: value for key, value in values.items() if key not in RECORDS}


def _check_section(config: ConfigDict, section: str, found: Mapping[str, Any]) -> None:
    own, prefix = annotations_of(RECORDS[section]), f"{section}." if section else ""
    # First the keys that choose rows, whose options the others may be.
    for key in own.keys() & {"name", "source"}:
        domains.checked(found[key], own[key], f"config.{prefix}{key}")
    annotations = keys_of(config, section)
    for key, value in found.items():
        if key not in annotations:
            if section in SECTIONS:
                SECTIONS[section].typed({"name": found["name"], key: ""})
            raise unknown_key(section, key, annotations)
        if value is not None or key in own:
            domains.checked(value, annotations[key], f"config.{prefix}{key}")


def _check_together(values: Mapping[str, Any]) -> None:
    """Raises UserError where the values of keys do not fit each other."""
    train = values["train"]
    if values["eval"]["patience"] and not values["eval"]["every_epochs"]:
        raise UserError(
            "eval.patience counts evaluations, and eval.every_epochs=0 makes one at the end alone:"
            " set eval.every_epochs to the epochs between two, 1 for example"
        )
    if values["init"]["run"] is not None and values["init"]["weights"] is not None:
        raise UserError(
            "init.run and init.weights are both set, and a run starts from one of them: unset the"
            " other"
        )
    for one, other in (("pad", "reflect_pad"), ("cutout", "inner_cutout")):
        if values["data"].get(one) and values["data"].get(other):
            raise UserError(
                f"data.{one} and data.{other} are both set, and they are two forms of one change:"
                " set one of them to 0"
            )
    if values["data"]["repeats"] > train["batch_size"]:
        raise UserError(
            f"data.repeats={values['data']['repeats']} is more than the {train['batch_size']}"
            " examples of train.batch_size: set it to at most these, since a batch would hold one"
            " example alone"
        )
    if train["ema_decay"] is not None and values["optim"]["lookahead"] is not None:
        raise UserError(
            "train.ema_decay and optim.lookahead both average the weights that are evaluated: leave"
            " one of them unset"
        )
    if values["norm"].get("frozen") and values["eval"]["recalibration_steps"]:
        raise UserError(
            "norm.frozen keeps the statistics of norms, and eval.recalibration_steps computes them"
            " anew: leave one of them at its default"
        )
    examples = train["batch_size"] // train["accumulate"]
    group = values["norm"].get("group_size") if values["norm"]["name"] == "batch" else None
    if group is not None and examples > group and examples % group:
        raise UserError(
            f"norm.group_size={group} does not divide the {examples} examples that a step computes"
            " at once: set it to a divisor of train.batch_size / train.accumulate, or to None"
        )


def check_images(data: Mapping[str, Any], shape: tuple[int, int, int]) -> None:
    """Checks the keys of the section `data` against the images of its source.

    Args:
      shape: height, width and channels of the images that a network trains on.

    Raises:
      UserError: `mean` or `std` is not of the channels, or a change is larger than an image.
    """
    height, width, channels = shape
    for key in ("mean", "std"):
        if len(data[key]) not in (1, channels):
            raise UserError(
                f"data.{key}={tuple(data[key])} has {len(data[key])} values, and the images of"
                f" data.source have {channels} channel{'s' * (channels > 1)}: give one value a"
                " channel, or one for all"
            )
    side = min(height, width, data.get("first_size") or height)
    for key in ("pad", "reflect_pad"):
        if (data.get(key) or 0) >= side:
            raise UserError(
                f"data.{key}={data[key]} would move images of {side} pixels out of their crops: set"
                f" it to at most {side - 1}"
            )
    for key in ("cutout", "inner_cutout"):
        if (data.get(key) or 0) > side:
            raise UserError(
                f"data.{key}={data[key]} is larger than images of {side} pixels: set it to at most"
                f" {side}"
            )


def check_averages(config: ConfigDict, *, running: bool) -> None:
    """Checks the run of an optimizer that averages the parameters which are evaluated.

    Args:
      running: whether norms keep running averages, which are of the parameters that were trained.

    Raises:
      UserError: something else is averaged too, or nothing computes statistics of the average.
    """
    name = config.optim.name
    others = {"train.ema_decay": config.train.ema_decay, "optim.lookahead": config.optim.lookahead}
    for key, value in others.items():
        if value is not None:
            raise UserError(
                f"optim.name={name} averages the parameters that are evaluated, and so does {key}:"
                " leave it unset, or choose another optim.name"
            )
    if running and not config.eval.recalibration_steps:
        raise UserError(
            f"optim.name={name} evaluates averaged parameters, and training keeps no batch"
            " statistics of these: set eval.recalibration_steps, 50 for example, or a norm.name"
            " without running averages"
        )


def check_process(dtype: str) -> None:
    """Raises UserError where JAX's settings of the process would change what a run computes."""
    if jax.config.jax_disable_jit:
        raise UserError(
            "a run is made of compiled steps, and JAX_DISABLE_JIT or jax.disable_jit() forbids to"
            " compile: switch it off, and use it around calls of the network or of a step alone"
        )
    if dtype != "float64" and jax.config.jax_enable_x64:
        raise UserError(
            f"model.dtype={dtype} in a process whose JAX computes in 64 bits would draw other"
            " random numbers than elsewhere: run it inside of `with jax.enable_x64(False)`"
        )
