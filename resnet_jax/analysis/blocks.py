"""The blocks of a residual network: their names, and how to change what they compute."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array

from resnet_jax.analysis.subject import logits
from resnet_jax.models.residual import ResidualBlock
from resnet_jax.models.resnet import ResNet

# (number of the block, its own function, its input) -> its output.
Change = Callable[[int, Callable[[Array], Any], Array], Any]
METHODS = {"block": "__call__", "branch": "branch_path"}


class Name(NamedTuple):
    """The stage of a block and its number in the stage, both counted from 1."""

    stage: int
    block: int

    @property
    def path(self) -> tuple[str, str]:
        return f"stage{self.stage}", f"block{self.block}"

    def __str__(self) -> str:
        return "/".join(self.path)


def names(model: ResNet) -> list[Name]:
    """The blocks from the stem to the head, without blocks inside of a block."""
    return [
        Name(stage, block)
        for stage, depth in enumerate(model.stage_depths, start=1)
        for block in range(1, depth + 1)
    ]


def changed(model: ResNet, **changes: Change) -> AbstractContextManager[None]:
    """Inside of the context, the changes replace what blocks of the unrolled `model` compute.

    Args:
      changes: by what they replace: `block`, the whole block; `branch`, its branch.
    """
    numbers = {name.path: number for number, name in enumerate(names(model))}
    by_method = {METHODS[name]: change for name, change in changes.items()}

    def intercept(
        method: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext
    ) -> Any:
        change = by_method.get(context.method_name)
        number = numbers.get(context.module.path)
        if change is None or number is None or not isinstance(context.module, ResidualBlock):
            return method(*args, **kwargs)
        return change(number, lambda x: method(x, *args[1:], **kwargs), args[0])

    return nn.intercept_methods(intercept)


def visible(model: ResNet) -> ResNet:
    """The network with all its blocks where `changed` sees them in training."""
    shortcut = replace(model.block.shortcut, inverse=None)
    return model.clone(block=replace(model.block, shortcut=shortcut), scan_blocks=False)


def outputs(model: ResNet, variables: Any, images: Array) -> tuple[list[Array], Array]:
    """Outputs of all blocks, and the logits, in evaluation."""
    found: list[Array] = []

    def keep(number: int, block: Callable[[Array], Array], x: Array) -> Array:
        found.append(block(x))
        return found[-1]

    with changed(model, block=keep):
        last = logits(model, variables, images)
    return found, last


def shapes(
    model: ResNet, variables: Any, image_shape: tuple[int, int, int]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Shapes of each block's input and output for one image; nothing is computed."""
    found = []

    def note(number: int, block: Callable[[Array], Array], x: Array) -> Array:
        y = block(x)
        found.append((x.shape[1:], y.shape[1:]))
        return y

    def forward(variables: Any, image: Array) -> Array:
        with changed(model, block=note):
            return logits(model, variables, image)

    jax.eval_shape(forward, variables, jax.ShapeDtypeStruct((1, *image_shape), jnp.float32))
    return found


def is_plain(model: ResNet) -> bool:
    """Whether the blocks have no shortcuts."""
    return model.block.shortcut.absent
