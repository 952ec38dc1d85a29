"""Residual networks from names and depths: the two families of the papers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from resnet_jax.models.activating_norms import ACTIVATING
from resnet_jax.models.attention import ATTENTIONS
from resnet_jax.models.branches import BRANCHES, Branch
from resnet_jax.models.layers import KERNEL_INITS
from resnet_jax.models.norms import NORMS
from resnet_jax.models.pooling import ANTIALIASING, STEM_POOLS
from resnet_jax.models.residual import ARRANGEMENTS
from resnet_jax.models.resnet import REMATS, ResNet
from resnet_jax.models.shortcuts import SHORTCUTS
from resnet_jax.models.stems import STEMS
from resnet_jax.tables import UserError, choose, configure

# Blocks in each stage: arXiv 1512.03385, Table 1; 200: arXiv 1603.05027, section 5.
IMAGENET_DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}


class Family(NamedTuple):
    """Stem and widths that the networks for one kind of image share."""

    stem: str
    stem_pool: str
    stem_width: int
    widths: tuple[int, ...]


FAMILIES = {
    "cifar": Family("cifar", "none", stem_width=16, widths=(16, 32, 64)),
    "imagenet": Family("imagenet", "max", stem_width=64, widths=(64, 128, 256, 512)),
}

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float64": jnp.float64}


def resnet(
    *,
    family: str,
    classes: int,
    depth: int | None = None,
    stage_depths: Sequence[int] = (),
    widths: Sequence[int] = (),
    width_factor: float = 1,
    stem: str | None = None,
    stem_pool: str | None = None,
    stem_width: int | None = None,
    branch: str | None = None,
    stage_branches: Sequence[str] = (),
    branch_options: dict[str, Any] | None = None,
    arrangement: str = "original",
    shortcut: str = "B",
    shortcut_options: dict[str, Any] | None = None,
    activate_identity: bool = True,
    attention: str = "none",
    attention_options: dict[str, Any] | None = None,
    antialias: str = "none",
    norm: str = "batch",
    norm_options: dict[str, Any] | None = None,
    weight_epsilon: float | None = None,
    kernel_init: str = "he_fan_out",
    zero_init_branch: bool = False,
    branch_gain: float | None = None,
    dropout: float = 0.0,
    survival: float = 1.0,
    scan_blocks: bool = False,
    frozen_parts: int = 0,
    remat: str = "none",
    dtype: str = "float32",
    joint_norm: bool = False,
) -> ResNet:
    """Builds a network from the rows of the tables.

    Args:
      family: 'cifar' (3x3 stem, three stages) or 'imagenet' (7x7 stem and pool, four stages).
      depth: layers with weights, counted as the papers do; `stage_depths` takes its place.
      stage_depths: blocks in each stage.
      widths: of the stages; empty for the family's.
      width_factor: multiplies the stages' widths (k of Wide ResNet), not the stem's.
      stem, stem_pool, stem_width: None for the family's.
      branch: None for the family's: basic, and on ImageNet bottleneck from depth 50.
      stage_branches: one name a stage, in place of `branch`; its options are the rows' defaults.
      activate_identity, weight_epsilon, frozen_parts, remat: see ResNet.
      branch_options, shortcut_options, attention_options, norm_options: keyword arguments of the
        chosen rows.

    Raises:
      UserError: an unknown name, an option that its row does not take, an impossible depth.
    """
    chosen_family = choose(FAMILIES, family, "model.family")
    branch = branch or ("bottleneck" if family == "imagenet" and (depth or 0) >= 50 else "basic")
    chosen_branch = configure(BRANCHES, branch, "branch", branch_options or {})()
    chosen_arrangement = choose(ARRANGEMENTS, arrangement, "arrangement")
    widths = tuple(widths) or chosen_family.widths
    stage_depths = tuple(stage_depths) or _stage_depths(family, depth, branch, chosen_branch)
    if len(stage_depths) != len(widths):
        raise UserError(
            f"{len(stage_depths)} stage depths {stage_depths} for {len(widths)} widths {widths}:"
            " give model.stage_depths and model.widths the same length"
        )
    fixup = norm == "fixup"
    if (zero_init_branch or fixup) and chosen_arrangement.last.endswith("na"):
        cause, cure = (
            ("norm.name=fixup", "norm.name=none")
            if fixup
            else ("zero_init_branch", "model.zero_init_branch=False")
        )
        raise UserError(
            f"{cause} would never train with arrangement 'relu_before_addition', whose branch ends"
            f" in a ReLU that passes no gradient at 0: set {cure}, or another model.arrangement"
        )
    if fixup and branch_gain is not None:
        raise UserError(
            "norm.name=fixup has a gain of its own in every branch, which starts at 1: leave out"
            " model.branch_gain, or set norm.name=none"
        )
    if not 0 < survival <= 1 or not 0 <= dropout < 1:
        raise UserError(
            f"model.survival={survival} must lie in (0, 1] and model.dropout={dropout} in [0, 1)"
        )
    if stage_branches and len(stage_branches) != len(widths):
        raise UserError(
            f"{len(stage_branches)} branches {tuple(stage_branches)} for {len(widths)} stages: give"
            " model.stage_branches one name a stage"
        )
    if not 0 <= frozen_parts <= len(widths) + 1:
        raise UserError(
            f"finetune.frozen_parts={frozen_parts} must lie between 0 and {len(widths) + 1}: the"
            f" stem and {len(widths)} stages"
        )
    if weight_epsilon is not None and weight_epsilon <= 0:
        raise UserError(f"norm.weight_epsilon={weight_epsilon} must be positive, or None for none")
    make_norm = configure(NORMS, norm, "norm", norm_options or {})()
    activates = getattr(make_norm, "func", None) in ACTIVATING
    if activates and any("n" in letters.replace("na", "") for letters in chosen_arrangement):
        raise UserError(
            f"norm '{norm}' holds its own activation, and arrangement '{arrangement}' has a norm"
            " that no activation follows: set model.arrangement=full_preactivation"
        )
    return ResNet(
        classes=classes,
        stem=choose(STEMS, stem or chosen_family.stem, "model.stem"),
        stem_pool=choose(STEM_POOLS, stem_pool or chosen_family.stem_pool, "model.stem_pool"),
        stage_depths=stage_depths,
        stage_widths=tuple(round(width * width_factor) for width in widths),
        stem_width=stem_width or chosen_family.stem_width,
        branch=chosen_branch,
        stage_branches=tuple(configure(BRANCHES, name, "branch", {})() for name in stage_branches),
        arrangement=chosen_arrangement,
        shortcut=configure(SHORTCUTS, shortcut, "shortcut", shortcut_options or {}),
        activate_identity=activate_identity,
        attention=configure(ATTENTIONS, attention, "model.attention", attention_options or {}),
        antialias=choose(ANTIALIASING, antialias, "model.antialias"),
        make_norm=make_norm,
        weight_epsilon=weight_epsilon,
        kernel_init=choose(KERNEL_INITS, kernel_init, "model.kernel_init"),
        zero_init_branch=zero_init_branch,
        branch_gain=branch_gain,
        dropout=dropout,
        survival=survival,
        scan_blocks=scan_blocks,
        fixup=fixup,
        frozen_parts=frozen_parts,
        remat=choose(dict.fromkeys(REMATS, remat), remat, "model.remat"),
        dtype=choose(DTYPES, dtype, "model.dtype"),
        joint_norm=joint_norm,
    )


def _stage_depths(family: str, depth: int | None, name: str, branch: Branch) -> tuple[int, ...]:
    if depth is None:
        raise UserError("give the network a model.depth, or model.stage_depths")
    if family == "imagenet":
        if depth not in IMAGENET_DEPTHS:
            valid = ", ".join(map(str, IMAGENET_DEPTHS))
            raise UserError(
                f"no ImageNet network has depth {depth}; valid: {valid}, or give model.stage_depths"
            )
        return IMAGENET_DEPTHS[depth]
    # Stem and head are two layers; Wide ResNet counts two of its projections as well.
    extra = 4 if name == "wide" else 2
    blocks, remainder = divmod(depth - extra, 3 * branch.layers)
    if remainder or blocks < 1:
        step = 3 * branch.layers
        below = max(1, (depth - extra) // step) * step + extra
        raise UserError(
            f"depth {depth} is not {step}n+{extra}, as three stages of '{name}' blocks need: choose"
            f" {below} or {below + step}"
        )
    return (blocks,) * 3
