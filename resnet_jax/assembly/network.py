"""The network that a configuration describes."""

from ml_collections import ConfigDict

from resnet_jax.models.resnet import ResNet
from resnet_jax.models.zoo import resnet


def network(
    config: ConfigDict, *, classes: int, frozen_parts: int, dtype: str, on_cpu: bool
) -> ResNet:
    """The network of `config.model` and `config.norm`.

    Args:
      frozen_parts: stem and stages that do not learn.
      dtype: of activations.
      on_cpu: whether it is compiled for a CPU, where loops around convolutions are slow and batch
        statistics are cheaper apart from convolutions.

    Raises:
      UserError: the configuration describes no network.
    """
    model, norm = config.model, config.norm
    return resnet(
        family=model.family,
        classes=classes,
        depth=model.depth,
        stage_depths=model.stage_depths,
        widths=model.widths,
        width_factor=model.width_factor,
        stem=model.stem,
        stem_pool=model.stem_pool,
        stem_width=model.stem_width,
        branch=model.branch,
        stage_branches=model.stage_branches,
        branch_options={
            "kernels": model.kernels,
            "pairs": model.pairs,
            "groups": model.groups,
            "base_width": model.base_width,
            "first_reduction": model.first_reduction,
        },
        arrangement=model.arrangement,
        shortcut=model.shortcut,
        shortcut_options={
            "layout": model.layout,
            "projection_kernel": model.projection_kernel,
            "shortcut_scale": model.shortcut_scale,
            "branch_scale": model.branch_scale,
            "gate_bias": model.gate_bias,
            "shortcut_dropout": model.shortcut_dropout,
        },
        activate_identity=model.activate_identity,
        attention=model.attention,
        attention_options={"reduction": model.attention_reduction},
        antialias=model.antialias,
        norm=norm.name,
        weight_epsilon=norm.weight_epsilon,
        norm_options={
            "group_size": norm.group_size,
            "momentum": norm.momentum,
            "epsilon": norm.epsilon,
            "channel_groups": norm.channel_groups,
        },
        kernel_init=model.kernel_init,
        zero_init_branch=model.zero_init_branch,
        branch_gain=model.branch_gain,
        dropout=model.dropout,
        survival=model.survival,
        scan_blocks=not on_cpu if model.scan_blocks is None else model.scan_blocks,
        frozen_parts=frozen_parts,
        remat=model.remat,
        dtype=dtype,
        joint_norm=not on_cpu,
    )
