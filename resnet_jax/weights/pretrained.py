"""Published networks with their weights: from a file, or from the hub by the name of a tag."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from resnet_jax.models.published import named
from resnet_jax.models.resnet import ResNet
from resnet_jax.models.scan import initial, stack_blocks
from resnet_jax.tables import UserError, nearest
from resnet_jax.weights.files import read_tensors
from resnet_jax.weights.hub import PREFIX, address, fetched, local
from resnet_jax.weights.mapping import classes_of, to_variables
from resnet_jax.weights.released import TAGS


class Pretrained(NamedTuple):
    """A network with its weights.

    Attributes:
      variables: params and batch_stats, in the model's layout.
      preprocessing: how an image is prepared for it, as `export` writes it beside its files: pixels
        times `scale`, minus `mean`, divided by `std`, of a crop of `image_shape` out of an image
        whose short side is `short_sides`. None where nothing says it.
    """

    model: ResNet
    variables: dict[str, Any]
    preprocessing: Mapping[str, Any] | None


def released(name: str, tag: str | bool = True) -> str:
    """The address of weights that timm released for a network: hf://timm/NAME.TAG.

    Args:
      tag: True for the one that timm takes where none is named.

    Raises:
      UserError: timm released none for this network, or none with this tag.
    """
    tags = TAGS.get(name)
    if not tags:
        raise UserError(
            f"timm released no weights for '{name}'{nearest(name, TAGS)}: give a file, or"
            " hf://OWNER/REPOSITORY"
        )
    if tag is True:
        return f"{PREFIX}timm/{name}.{tags[0]}"
    if tag not in tags:
        raise UserError(
            f"timm released no '{tag}' for '{name}'{nearest(tag, tags)}; valid: {', '.join(tags)}"
        )
    return f"{PREFIX}timm/{name}.{tag}"


def load(name: str, file: str | Path, *, seed: int = 0, **overrides: Any) -> Pretrained:
    """Returns a published network with the weights of a file.

    Args:
      name: of the network; `models.names()` lists them.
      file: its path, or hf://OWNER/REPOSITORY of the hub; see weights.hub.
      seed: of a new head.
      overrides: as of `models.create`. Without `classes` the network has those of the file; with
        another number of classes its head is drawn anew.

    Raises:
      UserError: there is no such network or file, or they do not fit.
    """
    path = local(file)
    tensors = read_tensors(path)
    asked = "classes" in overrides
    found = classes_of(tensors)
    if found is not None and not asked:
        overrides["classes"] = found
    model = named(name, **overrides)
    fitted = to_variables(model, tensors, replace_head=asked)
    variables = stack_blocks(fitted.variables) if model.scan_blocks else fitted.variables
    if not fitted.head_fits:
        image = jnp.zeros((1, 64, 64, 3))
        drawn = jax.jit(lambda key: initial(model, key, image)["params"]["head"])
        head = drawn(jax.random.key(seed))
        variables = {**variables, "params": {**variables["params"], "head": head}}
    return Pretrained(model, variables, preprocessing(file))


def preprocessing(file: str | Path) -> dict[str, Any] | None:
    """What stands beside a file of weights about its images; None where nothing does.

    FILE.json is what `export` wrote; a repository of timm's has a config.json.

    Raises:
      UserError: it can't be read.
    """
    if str(file).startswith(PREFIX):
        wanted = address(str(file))
        if not wanted.repository.startswith("timm/"):
            return None
        content = json.loads(fetched(wanted._replace(file="config.json")).read_text())
        return of_timm(content.get("pretrained_cfg", {}))
    path = local(file)
    beside = path.with_name(path.name + ".json")
    if not beside.is_file():
        return None
    try:
        return dict(json.loads(beside.read_text()))
    except ValueError:
        raise UserError(f"{beside} is no JSON: write it anew with export, or remove it") from None


def of_timm(settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """timm's `pretrained_cfg` in the words of `export`: at the size that timm tests with."""
    try:
        channels, height, width = settings.get("test_input_size") or settings["input_size"]
        ratio = settings.get("test_crop_pct") or settings["crop_pct"]
        mean, std = list(settings["mean"]), list(settings["std"])
    except KeyError:
        return None
    return {
        "layout": "NHWC",
        "short_sides": [math.floor(height / ratio)],
        "interpolation": settings.get("interpolation", "bilinear"),
        "views": "centre",
        "image_shape": [height, width, channels],
        "scale": 1 / 255,
        "mean": mean,
        "std": std,
    }
