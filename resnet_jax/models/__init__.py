"""Residual networks: what they are made of, and every published one by name.

    from resnet_jax import models

    models.names("resnet*50*")                             # names of published networks
    model = models.create("resnet50", classes=10)          # a Flax module, without numbers
    model, variables, preprocessing = models.create("resnet50", pretrained=True)
    model, variables, preprocessing = models.load("resnet50", "resnet50.safetensors")
    logits = model.apply(variables, images, train=False)   # images [batch, height, width, 3]
    stages = model.apply(variables, images, train=False, features=True)

`help(models.ResNet)` says what a network has, and `help(models.ResNet.__call__)` how it is called.
"""

import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from resnet_jax.models.published import ROWS, find, named
from resnet_jax.models.resnet import ResNet

if TYPE_CHECKING:
    from resnet_jax.weights.pretrained import Pretrained

__all__ = ["ROWS", "ResNet", "create", "find", "load", "names"]


def names(pattern: str = "*") -> list[str]:
    """Returns the names of published networks that match a shell pattern, as in 'resnext*'."""
    return fnmatch.filter(ROWS, pattern)


@overload
def create(name: str, *, pretrained: Literal[False] = False, **overrides: Any) -> ResNet: ...


@overload
def create(
    name: str, *, pretrained: Literal[True] | str | Path, **overrides: Any
) -> "Pretrained": ...


def create(name: str, *, pretrained: bool | str | Path = False, **overrides: Any) -> Any:
    """Returns the published network of that name; with `pretrained`, what `load` returns.

    Args:
      pretrained: True for the weights that timm takes for this name, the tag of others, as
        'a1_in1k' (`resnet-jax hub NAME` lists them), hf://OWNER/REPOSITORY, or a file. What is not
        in the cache of huggingface_hub is downloaded, after a line that says what and how large.
      overrides: arguments of `models.building.resnet` that take the place of the row's, as in
        `create('resnet50', classes=10, shortcut='C')`; frozen batch norms are
        `norm={'name': 'batch', 'frozen': True}`.

    Raises:
      UserError: there is no such network (names the nearest, and the kind of one that is known and
        can't be built), an override is a mistake, or as `load`.
    """
    if pretrained is False:
        return named(name, **overrides)
    from resnet_jax.weights.pretrained import released

    if pretrained is True or (isinstance(pretrained, str) and _is_tag(pretrained)):
        pretrained = released(name, pretrained)
    return load(name, pretrained, **overrides)


def _is_tag(text: str) -> bool:
    return "/" not in text and not text.endswith((".safetensors", ".pth", ".th", ".pt"))


def load(name: str, file: str | Path, *, seed: int = 0, **overrides: Any) -> "Pretrained":
    """Returns (model, variables, preprocessing) of a published network with a file's weights.

    Args:
      name: of the network; `names()` lists them.
      file: its path, .safetensors or PyTorch's, or hf://OWNER/REPOSITORY of the hub.
      seed: of a new head.
      overrides: as of `create`. Without `classes` the network has those of the file; with another
        number of classes its head is drawn anew.

    Raises:
      UserError: there is no such network or file, or they do not fit.
    """
    from resnet_jax.weights.pretrained import load

    return load(name, file, seed=seed, **overrides)
