"""How much of the image a position of a block's output sees: in theory, and in effect."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from resnet_jax.analysis.blocks import Name, names, outputs
from resnet_jax.analysis.subject import Examples, Subject, Tree
from resnet_jax.models.resnet import ResNet
from resnet_jax.reporting.drawing import STYLE
from resnet_jax.reporting.findings import Findings
from resnet_jax.tables.domains import PositiveInt


class Field(NamedTuple):
    """A receptive field.

    Attributes:
      size: pixels of its side.
      stride: pixels between the fields of neighbouring positions.
    """

    size: int = 1
    stride: int = 1

    def through(self, kernel: int, stride: int) -> "Field":
        """The field behind another layer: r + (k - 1) j, with strides multiplied."""
        return Field(self.size + (kernel - 1) * self.stride, self.stride * stride)


def theoretical(model: ResNet) -> dict[Name, Field]:
    """The field of each block's output along the branches, the longest way through the network.

    Attention that pools over all positions is left out: with it, every field is the whole image.
    """
    field = Field()
    for stem_spec in model.stem:
        field = field.through(stem_spec.kernel, stem_spec.stride)
    for kernel, stride in model.stem_pool.windows:
        field = field.through(kernel, stride)
    fields, antialias, shortcut = {}, model.block.antialias, model.block.shortcut
    for name in names(model):
        branch = model.branches[name.stage - 1]
        halves = model.stride(name.stage) > 1 and name.block == 1
        moved = model.transition.function is not None
        if moved and name.block == 1:
            for kernel, stride in model.transition.windows(2 if halves else 1):
                field = field.through(kernel, stride)
            halves = False
        for kernel, stride in shortcut.windows if halves else ():
            field = field.through(kernel, stride)
        for repeat in range(branch.repeats * shortcut.in_sequence):
            opens = halves and repeat == 0 and not shortcut.windows
            # A block that keeps the stride still opens its stage where it widens the stem's image.
            widens = model.stem_width != model.stage_widths[0] * model.branches[0].expansion
            first = name.block == 1 and repeat == 0 and not moved
            changes = first and (opens or name.stage > 1 or widens)
            for spec in branch.convolutions:
                strided = opens and spec.strided
                if strided and antialias is not None and antialias.before:
                    for kernel, stride in antialias.windows:
                        field = field.through(kernel, stride)
                    for kernel, stride in spec.windows(2, changes):
                        field = field.through(kernel, stride)
                elif strided and antialias is not None:
                    for kernel, stride in (*spec.windows(1, changes), *antialias.windows):
                        field = field.through(kernel, stride)
                else:
                    for kernel, stride in spec.windows(2 if strided else 1, changes):
                        field = field.through(kernel, stride)
        fields[name] = field
    return fields


def effective(
    model: ResNet, variables: Tree, examples: Examples, number: int
) -> Float[np.ndarray, "height width"]:
    """Size of the gradient of a block's central position by each pixel, the largest being 1.

    The mean over images and channels of its absolute value (Luo et al., arXiv 1701.04128, section
    4), with all channels of the position summed.
    """

    def centre(images: Array, variables: Tree) -> Array:
        output = outputs(model, variables, images)[0][number]
        height, width = output.shape[1:3]
        return output[:, height // 2, width // 2].sum()

    gradient = jax.jit(jax.grad(centre))(jnp.asarray(examples.images), variables)
    sizes = np.asarray(jnp.abs(gradient).mean(axis=(0, 3)))
    return sizes / max(float(sizes.max()), np.finfo(np.float32).tiny)


def side(sizes: Float[np.ndarray, "height width"]) -> float:
    """Side of a square with as many pixels as reach 4.55% of the largest (Luo et al., 4)."""
    return float(np.sqrt((sizes > 1 - 0.9545).sum()))


def study(subject: Subject, *, examples: PositiveInt = 64) -> Findings:
    """Fields of all blocks in theory, and of each stage's last block in effect."""
    batch = subject.examples("test", examples)
    fields = theoretical(subject.model)
    ends = [n for n, name in enumerate(fields) if name.block == subject.model.stage_depths[
        name.stage - 1]]  # fmt: skip
    maps = {
        str(names(subject.model)[n]): effective(subject.model, subject.variables, batch, n)
        for n in ends
    }
    numbers = {
        "examples": examples,
        "theoretical": {str(name): field._asdict() for name, field in fields.items()},
        "effective_side": {name: side(sizes) for name, sizes in maps.items()},
    }
    sizes_of = {str(name): field.size for name, field in fields.items()}
    summary = "; ".join(
        f"{name}: {sizes_of[name]} pixels in theory, {side(sizes):.1f} in effect"
        for name, sizes in maps.items()
    )
    return Findings(numbers, {"effective": draw(maps, sizes_of)}, summary)


def draw(maps: dict[str, np.ndarray], theory: dict[str, int]) -> Figure:
    """The effective fields, the theoretical one as a square."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3 * len(maps), 3.4), layout="constrained")
        for axes, (name, sizes) in zip(
            np.atleast_1d(figure.subplots(1, len(maps))), maps.items(), strict=True
        ):
            height, width = sizes.shape
            axes.imshow(sizes, cmap="viridis")
            half = theory[name] / 2
            axes.add_patch(
                Rectangle(
                    (width // 2 - half, height // 2 - half), 2 * half, 2 * half,
                    fill=False, color="#fff", linestyle=":",
                )
            )  # fmt: skip
            axes.set_xlim(-0.5, width - 0.5)
            axes.set_ylim(height - 0.5, -0.5)
            axes.set_title(f"{name}: {theory[name]} px, in effect {side(sizes):.1f}", fontsize=9)
            axes.set_axis_off()
    return figure
