"""The network: stem -> stages of residual blocks -> head."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from resnet_jax.models.attention import no_attention
from resnet_jax.models.branches import Branch
from resnet_jax.models.layers import KERNEL_INITS, Layers, NormFactory
from resnet_jax.models.pooling import no_pool
from resnet_jax.models.residual import Arrangement, ResidualBlock, run
from resnet_jax.models.shortcuts import changes_shape
from resnet_jax.models.stems import Stem, apply_stem

# Layers inside blocks or inside stages; between them the network keeps what it computes.
REMATS = ("none", "block", "stage")

Image = Float[Array, "batch height width channels"]


class Stage(nn.Module):
    """A stage-opening block, which may change shape, and blocks that are all equal.

    Attributes:
      survival: of each block's branch, one number a block.
      scan: run the equal blocks as one scan, with their parameters stacked under `blocks`.
      block: the options of ResidualBlock that all blocks share.
      remat_blocks: see ResNet.remat.
      activate_identity: an identity shortcut that opens the stage takes the activated x, as a
        projection does, and not x itself.
    """

    survival: tuple[float, ...]
    stride: int
    scan: bool
    block: dict[str, Any]
    remat_blocks: bool = False
    activate_identity: bool = True

    @nn.compact
    def __call__(self, x: Image) -> Image:
        Block = nn.remat(ResidualBlock) if self.remat_blocks else ResidualBlock
        arrangement, layers = self.block["arrangement"], self.block["layers"]
        features = self.block["width"] * self.block["branch"].expansion
        shared = self.activate_identity or changes_shape(x, features, self.stride)
        if shared:
            x = run(arrangement.lead, x, layers, name="norm_shared")
        opening = Block(stride=self.stride, activated=shared, name="block1", **self.block)
        x = opening(x, self.survival[0])
        if self.scan and len(self.survival) > 1:
            return self._scanned(x)
        for number, survival in enumerate(self.survival[1:], start=2):
            x = Block(name=f"block{number}", **self.block)(x, survival)
        return x

    def _scanned(self, x: Image) -> Image:
        # Inside of a loop nothing else could be computed in its place.
        remat = partial(nn.remat, prevent_cse=False)
        Block = remat(ResidualBlock) if self.remat_blocks else ResidualBlock
        scan = nn.scan(
            lambda block, x, survival: (block(x, survival), None),
            variable_axes={"params": 0, "batch_stats": 0},
            split_rngs={"params": True, "dropout": True},
        )
        x, _ = scan(Block(name="blocks", **self.block), x, np.array(self.survival[1:]))
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
      joint_norm: normalise what widening 1x1 convolutions would give without computing it (see
        BatchNorm), which pays where memory traffic decides: on accelerators.
      stem_pool: a row of STEM_POOLS.
      stage_branches: the branch of each stage, in place of `branch`, where they differ.
      attention: a row of ATTENTIONS, options set.
      antialias: a row of ANTIALIASING; carries the strides of branches.
      weight_epsilon: standardise the kernels of convolutions, with this added to their variance.
      activate_identity: whether an identity shortcut that opens a stage takes the activated x
        (resnet-1k-layers) or x itself; where blocks have no lead, it is the same.
      fixup: see models.norms.fixup; make_norm is None.
      remat: what is not kept for the backward pass but computed again in it (Chen et al., arXiv
        1604.06174): a row of REMATS.
      frozen_parts: stem, first stage, second stage ... that pass no gradient and use their running
        statistics; one more than there are stages leaves the head alone: a linear probe.
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
    joint_norm: bool = False
    stem_pool: Callable[..., Any] = no_pool
    stage_branches: tuple[Branch, ...] = ()
    attention: Callable[..., Any] = no_attention
    antialias: Callable[..., Any] | None = None
    weight_epsilon: float | None = None
    activate_identity: bool = True
    fixup: bool = False
    frozen_parts: int = 0
    remat: str = "none"

    @nn.compact
    def __call__(self, x: Image, *, train: bool) -> Float[Array, "batch classes"]:
        arrangement = self.arrangement
        if self.make_norm is None:
            arrangement = arrangement.without_norm()
        if self.fixup:
            arrangement = arrangement.with_biases()
        layers = Layers(
            train,
            self.make_norm,
            arrangement.projection_norm,
            self.kernel_init,
            self.dtype,
            weight_epsilon=self.weight_epsilon,
            joint_norm=self.joint_norm,
            fixup=self.fixup,
        )
        frozen_layers = layers._replace(train=False)

        part_layers = frozen_layers if self.frozen_parts else layers
        x = apply_stem(self.stem, x, self.stem_width, arrangement, part_layers)
        x = self.stem_pool(x, part_layers)

        survival = linear_decay(self.survival, sum(self.stage_depths))
        for number, (depth, width) in enumerate(
            zip(self.stage_depths, self.stage_widths, strict=True), start=1
        ):
            if number == self.frozen_parts:
                x = lax.stop_gradient(x)
            branch = self.stage_branches[number - 1] if self.stage_branches else self.branch
            make_stage = nn.remat(Stage) if self.remat == "stage" else Stage
            stage = make_stage(
                survival=survival[:depth],
                stride=1 if number == 1 else 2,
                scan=self.scan_blocks,
                block={
                    "branch": branch,
                    "arrangement": arrangement,
                    "shortcut": self.shortcut,
                    "layers": frozen_layers if number < self.frozen_parts else layers,
                    "width": width,
                    "zero_init_branch": self.zero_init_branch or self.fixup,
                    "kernel_scale": self._fixup_scale(branch) if self.fixup else 1.0,
                    "branch_gain": 1.0 if self.fixup else self.branch_gain,
                    "dropout": self.dropout,
                    "stochastic_depth": self.survival < 1,
                    "attention": self.attention,
                    "antialias": self.antialias,
                },
                remat_blocks=self.remat == "block",
                activate_identity=self.activate_identity,
                name=f"stage{number}",
            )
            x, survival = stage(x), survival[depth:]

        probing = self.frozen_parts > len(self.stage_depths)
        x = run(arrangement.lead, x, frozen_layers if probing else layers, name="head_norm")
        if probing:
            x = lax.stop_gradient(x)
        x = x.astype(layers.param_dtype).mean(axis=(1, 2))
        head = nn.Dense(
            self.classes,
            dtype=layers.param_dtype,
            param_dtype=layers.param_dtype,
            kernel_init=nn.initializers.zeros if self.fixup else nn.linear.default_kernel_init,
            name="head",
        )
        return head(x)

    def _fixup_scale(self, branch: Branch) -> float:
        """L^(-1/(2m-2)) for L branches of m convolutions, where a single one starts at zero."""
        count, convolutions = sum(self.stage_depths) * branch.repeats, len(branch.convolutions)
        return count ** (-1 / (2 * convolutions - 2)) if convolutions > 1 else 1.0


def linear_decay(last: float, blocks: int) -> tuple[float, ...]:
    """Survival of block l of L: 1 - l/L (1 - last) (Huang et al., arXiv 1603.09382, eq. 4)."""
    return tuple(1 - number / blocks * (1 - last) for number in range(1, blocks + 1))
