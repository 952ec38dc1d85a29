"""The network: stem -> stages of residual blocks -> head."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from resnet_jax.models.branches import Branch
from resnet_jax.models.layers import KERNEL_INITS, Layers, NormFactory
from resnet_jax.models.residual import Arrangement, ResidualBlock, run

Image = Float[Array, "batch height width channels"]


class Stem(NamedTuple):
    """The first convolution, and whether a 3x3 max pool of stride 2 follows it."""

    kernel: int
    stride: int
    pool: bool


STEMS = {
    "cifar": Stem(kernel=3, stride=1, pool=False),
    "imagenet": Stem(kernel=7, stride=2, pool=True),
}


class Stage(nn.Module):
    """A stage-opening block, which may change shape, and blocks that are all equal.

    Attributes:
      survival: of each block's branch, one number a block.
      scan: run the equal blocks as one scan, with their parameters stacked under `blocks`.
      block: the options of ResidualBlock that all blocks share.
    """

    survival: tuple[float, ...]
    stride: int
    scan: bool
    block: dict[str, Any]

    @nn.compact
    def __call__(self, x: Image) -> Image:
        arrangement, layers = self.block["arrangement"], self.block["layers"]
        x = run(arrangement.lead, x, layers, name="norm_shared")
        opening = ResidualBlock(stride=self.stride, activated=True, name="block1", **self.block)
        x = opening(x, self.survival[0])
        if self.scan and len(self.survival) > 1:
            return self._scanned(x)
        for number, survival in enumerate(self.survival[1:], start=2):
            x = ResidualBlock(name=f"block{number}", **self.block)(x, survival)
        return x

    def _scanned(self, x: Image) -> Image:
        scan = nn.scan(
            lambda block, x, survival: (block(x, survival), None),
            variable_axes={"params": 0, "batch_stats": 0},
            split_rngs={"params": True, "dropout": True},
        )
        x, _ = scan(ResidualBlock(name="blocks", **self.block), x, np.array(self.survival[1:]))
        return x


class ResNet(nn.Module):
    """A residual network for images in NHWC; `models.zoo.resnet` builds one from names.

    Attributes:
      classes: number of logits.
      stage_depths: blocks in each stage; every stage after the first halves the resolution.
      stage_widths: width of each stage, before the branch's expansion.
      stem_width: features of the stem.
      make_norm: a row of NORMS with its options, or None for no normalisation.
      kernel_init: of convolutions; a row of KERNEL_INITS.
      survival: probability that the last block's branch is kept; falls linearly from 1 with depth.
      scan_blocks: run the equal blocks of a stage as one scan.
      dtype: of activations; statistics, head and logits are at least float32.
    """

    classes: int
    stem: Stem
    stage_depths: Sequence[int]
    stage_widths: Sequence[int]
    stem_width: int
    branch: Branch
    arrangement: Arrangement
    shortcut: Callable[..., Any]
    make_norm: NormFactory | None
    kernel_init: nn.initializers.Initializer = KERNEL_INITS["he_fan_out"]
    zero_init_branch: bool = False
    branch_gain: float | None = None
    dropout: float = 0.0
    survival: float = 1.0
    scan_blocks: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Image, *, train: bool) -> Float[Array, "batch classes"]:
        arrangement = self.arrangement
        if self.make_norm is None:
            arrangement = arrangement.without_norm()
        layers = Layers(
            train, self.make_norm, arrangement.projection_norm, self.kernel_init, self.dtype
        )

        stem_conv = layers.conv(
            self.stem_width, self.stem.kernel, self.stem.stride, name="stem_conv"
        )
        x = run(arrangement.stem, x, layers, stem_conv, name="stem_norm")
        if self.stem.pool:
            x = nn.max_pool(x, (3, 3), (2, 2), padding=((1, 1), (1, 1)))

        survival = linear_decay(self.survival, sum(self.stage_depths))
        for number, (depth, width) in enumerate(
            zip(self.stage_depths, self.stage_widths, strict=True), start=1
        ):
            stage = Stage(
                survival=survival[:depth],
                stride=1 if number == 1 else 2,
                scan=self.scan_blocks,
                block={
                    "branch": self.branch,
                    "arrangement": arrangement,
                    "shortcut": self.shortcut,
                    "layers": layers,
                    "width": width,
                    "zero_init_branch": self.zero_init_branch,
                    "branch_gain": self.branch_gain,
                    "dropout": self.dropout,
                    "stochastic_depth": self.survival < 1,
                },
                name=f"stage{number}",
            )
            x, survival = stage(x), survival[depth:]

        x = run(arrangement.lead, x, layers, name="head_norm")
        x = x.astype(layers.param_dtype).mean(axis=(1, 2))
        head = nn.Dense(
            self.classes, dtype=layers.param_dtype, param_dtype=layers.param_dtype, name="head"
        )
        return head(x)


def linear_decay(last: float, blocks: int) -> tuple[float, ...]:
    """Survival of block l of L: 1 - l/L (1 - last) (Huang et al., arXiv 1603.09382, eq. 4)."""
    return tuple(1 - number / blocks * (1 - last) for number in range(1, blocks + 1))
