"""Choices of a network that contradict each other; `model` is a resnet.ResNet everywhere."""

from typing import Any

from resnet_jax.models.activation import ACTIVATIONS
from resnet_jax.models.arrangements import ACTIVATION
from resnet_jax.models.stems import whitening_size
from resnet_jax.tables import UserError


def check(model: Any) -> None:
    """Raises UserError where the choices do not fit each other."""
    block, norm, stages = model.block, model.layers.norm, len(model.stage_widths)
    if len(model.stage_depths) != stages:
        raise UserError(
            f"{len(model.stage_depths)} stage depths {tuple(model.stage_depths)} for {stages}"
            f" widths {tuple(model.stage_widths)}: give model.stage_depths and model.widths the"
            " same length"
        )
    if min(model.stage_widths, default=1) < 1:
        raise UserError(
            f"a stage of widths {tuple(model.stage_widths)} has 0 features: set a larger"
            " model.width_factor or model.widths"
        )
    if model.stage_branches and len(model.stage_branches) != stages:
        raise UserError(
            f"{len(model.stage_branches)} branches for {stages} stages: give"
            " model.stage_branches one name a stage"
        )
    if not 0 < model.survival <= 1:
        raise UserError(f"model.survival={model.survival} must lie in (0, 1]")
    if not 0 <= model.frozen_parts <= stages + 1:
        raise UserError(
            f"finetune.frozen_parts={model.frozen_parts} must lie between 0 and {stages + 1}: the"
            f" stem and {stages} stages"
        )
    if model.block_widths and (model.scan_blocks or block.shortcut.inverse):
        raise UserError(
            "model.widening makes every block wider than the one before, and blocks that run as one"
            " scan, or keep the shape of a reversible pair, must be equal: set"
            " model.scan_blocks=False and a model.shortcut other than reversible"
        )
    check_connection(model)
    if norm.fixup and block.branch_gain is not None:
        raise UserError(
            "norm.name=fixup has a gain of its own in every branch, which starts at 1: leave"
            " out model.branch_gain, or set norm.name=none"
        )
    if norm.activates and model.layers.activation is not ACTIVATIONS["relu"]:
        raise UserError(
            "norm.name is one that holds its own activation, which this model.activation would"
            " stand beside: set model.activation=relu"
        )
    if whitening_size(model.stem) is not None and model.layers.weight_epsilon is not None:
        raise UserError(
            "model.weight_epsilon standardises every kernel, and model.stem=whitening has one that"
            " stays as it is: leave model.weight_epsilon unset"
        )
    if norm.activates and block.arrangement.has_bare_norm():
        raise UserError(
            "norm.name is one that holds its own activation, and this model.arrangement has a"
            " norm that no activation follows: set model.arrangement=full_preactivation"
        )
    dead = not model.layers.activation.passes_zero
    if dead and block.arrangement.last[-1] == ACTIVATION and (block.zero_init_branch or norm.fixup):
        cause, cure = ("norm.name=fixup", "norm.name=none")
        if block.zero_init_branch:
            cause, cure = ("zero_init_branch", "model.zero_init_branch=False")
        raise UserError(
            f"{cause} would never train with an arrangement whose branch ends in a ReLU, as"
            f" 'relu_before_addition', since that passes no gradient at 0: set {cure}, or another"
            " model.arrangement"
        )


def check_connection(model: Any) -> None:
    """Raises UserError where the row of `block.shortcut` can't do what the network asks of it."""
    block, row = model.block, model.block.shortcut
    if model.scan_blocks and not row.scans:
        raise UserError(
            "this model.shortcut hands on a state that grows from block to block, and blocks that"
            " run as one scan need a state of one shape: set model.scan_blocks=False"
        )
    if row.kernel_scale and model.layers.norm.fixup:
        raise UserError(
            "norm.name=fixup and this model.shortcut both say how the kernels of a branch start:"
            " set norm.name=none, or another model.shortcut"
        )
    if not row.after and block.arrangement.after:
        raise UserError(
            "this model.shortcut hands on more than a sum, and this model.arrangement has steps"
            " after the addition: set model.arrangement=full_preactivation"
        )
    if row.carries and model.transition.function is not None:
        raise UserError(
            "this model.shortcut carries a state from block to block, and this model.transition"
            " changes an image between them: set model.transition=block"
        )
    if row.inverse and model.remat != "none":
        raise UserError(
            f"this model.shortcut computes again what it does not keep, and model.remat="
            f"{model.remat} would do so once more: set model.remat=none"
        )
    if row.carries and any(branch.repeats > 1 for branch in model.branches):
        raise UserError(
            "this model.shortcut carries a state from block to block, and model.branch=deep has"
            " blocks inside of its blocks: choose another branch, as basic or bottleneck"
        )
