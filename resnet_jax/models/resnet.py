"""The network: stem -> stages of residual blocks -> head."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, overload

import flax.linen as nn
from jax import lax
from jaxtyping import Array, Float

from resnet_jax.models.branch import Branch
from resnet_jax.models.contradictions import check
from resnet_jax.models.heads import HEADS, Head
from resnet_jax.models.layers import Layers
from resnet_jax.models.parts import is_norm
from resnet_jax.models.pooling import Pool
from resnet_jax.models.residual import Block
from resnet_jax.models.stage import Stage
from resnet_jax.models.stems import Stem, apply_stem, whitening_size
from resnet_jax.models.steps import run
from resnet_jax.models.transitions import TRANSITIONS, Transition
from resnet_jax.tables import Table, UserError, options_of

# The backward pass computes the layers inside each block, or inside each stage, again.
REMATS = Table("model.remat", {name: name for name in ("none", "block", "stage")})

Image = Float[Array, "batch height width channels"]
Logits = Float[Array, "batch classes"]


class ResNet(nn.Module):
    """A residual network for images in NHWC; `models.building.resnet` builds one from names.

    Attributes:
      classes: number of logits.
      stage_depths: blocks in each stage; every stage after the first halves the resolution.
      first_stride: stride of the first stage.
      stage_widths: width of each stage, before the branch's expansion.
      head_width: features of a 1x1 convolution between the last block and the head; None: there
        is none.
      block_widths: the width of each block of each stage, where those of a stage differ;
        `stage_widths` has each stage's last.
      stem: a row of STEMS.
      stem_pool: a row of STEM_POOLS.
      stem_width: features of the stem.
      block: what its blocks have in common.
      stage_branches: the branch of each stage, in place of the block's, where they differ.
      transition: a row of TRANSITIONS; what gives each stage its shape.
      head: a row of HEADS.
      layers: how it makes convolutions and norms. Statistics, head and logits are at least float32.
      survival: probability that the last block's branch is kept; falls linearly from 1 with depth.
      scan_blocks: run the equal blocks of a stage as one scan.
      frozen_parts: so many of stem, first stage, second stage ... pass no gradient and use their
        running statistics. With stem and all stages frozen, the head alone learns: a linear probe.
      remat: which layers the backward pass computes again, so that less is kept for it (Chen et
        al., arXiv 1604.06174): a row of REMATS.
    """

    classes: int
    stage_depths: Sequence[int]
    stage_widths: Sequence[int]
    stem: Stem
    stem_pool: Pool
    stem_width: int
    block: Block
    layers: Layers
    transition: Transition = TRANSITIONS["block"]
    head: Head = HEADS["mean"]
    first_stride: int = 1
    head_width: int | None = None
    stage_branches: tuple[Branch, ...] = ()
    block_widths: tuple[tuple[int, ...], ...] = ()
    survival: float = 1.0
    scan_blocks: bool = False
    frozen_parts: int = 0
    remat: str = "none"

    def __post_init__(self) -> None:
        check(self)
        super().__post_init__()

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The branch of each stage."""
        return self.stage_branches or (self.block.branch,) * len(self.stage_depths)

    @property
    def alike(self) -> bool:
        """Whether the blocks of a stage but its first have the same parameters and shapes."""
        return self.block.shortcut.scans and not self.block_widths

    def stride(self, stage: int) -> int:
        """The stride of a stage, counted from 1."""
        return self.first_stride if stage == 1 else 2

    def fixes(self, path: Sequence[str]) -> bool:
        """Whether the parameter at this path, ('stem_conv', 'kernel'), never learns."""
        if options_of(self.layers.norm).get("frozen") and is_norm(path):
            return True
        return whitening_size(self.stem) is not None and (*path,) == ("stem_conv", "kernel")

    @overload
    def __call__(self, x: Image, *, train: bool) -> Logits: ...

    @overload
    def __call__(self, x: Image, *, train: bool, features: Literal[True]) -> dict[str, Image]: ...

    @nn.compact
    def __call__(self, x: Image, *, train: bool, features: bool = False) -> Any:
        """The logits of images, or what the stages make of them.

        Args:
          x: normalised images, [batch, height, width, channels], of any height and width.
          train: normalise by the batch's statistics, and drop what dropout and stochastic depth
            drop; `apply` then needs `mutable=["batch_stats"]`, and `rngs={"dropout": key}` where
            something is dropped.
          features: return the outputs of stem and stages in place of logits, for detection and
            segmentation; the head's parameters are then not used, nor made by `init`.

        Returns:
          Logits [batch, classes] in at least float32. With `features` a dictionary of 'stem',
          before its pool, and 'stage1', 'stage2', ..., each an image [batch, height / r, width / r,
          channels]: of `create('resnet50')` r is 2, 4, 8, 16, 32 and channels are 64, 256, 512,
          1024, 2048. Of pre-activated stages these are sums that no norm or ReLU has followed, but
          of the last stage what the head's pool sees.

        Raises:
          UserError: `features` of a network that hands on more than one image from block to block.
        """
        if features and self.block.shortcut.end is not None:
            raise UserError(
                "features=True returns images, and this model.shortcut hands on another state from"
                " block to block: choose another, or call the network without features"
            )
        arrangement, norm = self.block.arrangement, self.layers.norm
        if norm.absent:
            arrangement = arrangement.without_norm()
        if norm.fixup:
            arrangement = arrangement.with_biases()
        layers = replace(self.layers, train=train, projection_norm=arrangement.projection_norm)
        frozen_layers = replace(layers, train=False)

        stem_layers = frozen_layers if self.frozen_parts else layers
        x = apply_stem(self.stem, x, self.stem_width, arrangement, stem_layers)
        activated = self.block.activate_stem and bool(arrangement.lead)
        if activated:
            x = run(arrangement.lead, x, stem_layers, norms=["stem_lead_norm"])
        found = {"stem": x}
        x = self.stem_pool.function(x, stem_layers)
        state = self.block.shortcut.started(x, stem_layers)

        blocks, kernel_scale = sum(self.stage_depths), self.block.shortcut.kernel_scale
        block = replace(
            self.block,
            arrangement=arrangement,
            stochastic_depth=self.survival < 1,
            blocks=blocks,
            kernel_scale=kernel_scale(blocks) if kernel_scale else 1.0,
        )
        survival = linear_decay(self.survival, blocks)
        stages = zip(self.stage_depths, self.stage_widths, self.branches, strict=True)
        for number, (depth, width, branch) in enumerate(stages, start=1):
            if number == self.frozen_parts:
                state = lax.stop_gradient(state)
            make_stage: Any = nn.remat(Stage) if self.remat == "stage" else Stage
            stage = make_stage(
                self._fixup(branch, block) if norm.fixup else replace(block, branch=branch),
                frozen_layers if number < self.frozen_parts else layers,
                width,
                survival[:depth],
                stride=self.stride(number),
                first=1 + blocks - len(survival),
                widths=self.block_widths[number - 1] if self.block_widths else (),
                previous=1 + sum(self.stage_depths[: max(0, number - 2)]),
                scan=self.scan_blocks,
                remat_blocks=self.remat == "block",
                activated=activated and number == 1,
                transition=self.transition,
                name=f"stage{number}",
            )
            state, survival = stage(state), survival[depth:]
            found[f"stage{number}"] = state

        probing = self.frozen_parts > len(self.stage_depths)
        head_layers = frozen_layers if probing else layers
        x = self.block.shortcut.ended(state, head_layers)
        if self.head_width:
            conv = head_layers.conv(self.head_width, 1, name="head_conv")
            x = run(arrangement.head_conv_steps, x, head_layers, conv, norms=["head_conv_norm"])
        x = run(arrangement.head_steps, x, head_layers, norms=["head_norm"])
        if features:
            return {**found, f"stage{len(self.stage_depths)}": x}
        if probing:
            x = lax.stop_gradient(x)
        kernel_init = nn.initializers.zeros if norm.fixup else None
        return self.head.logits(x, self.classes, layers, kernel_init)

    def _fixup(self, branch: Branch, block: Block) -> Block:
        """The block with Fixup's initial values (Zhang et al., arXiv 1901.09321, section 3).

        Kernels are divided by L^(1/(2m-2)) for L branches of m convolutions; where m is 1, the
        only kernel starts at zero.
        """
        count, convolutions = sum(self.stage_depths) * branch.repeats, len(branch.convolutions)
        scale = count ** (-1 / (2 * convolutions - 2)) if convolutions > 1 else 1.0
        return replace(
            block, branch=branch, zero_init_branch=True, kernel_scale=scale, branch_gain=1.0
        )


def linear_decay(last: float, blocks: int) -> tuple[float, ...]:
    """Survival of block l of L: 1 - l/L (1 - last) (Huang et al., arXiv 1603.09382, eq. 4)."""
    return tuple(1 - number / blocks * (1 - last) for number in range(1, blocks + 1))
