"""Every key of a configuration, and every option of a row, changes what a run computes."""

from functools import cache

import pytest
from traces import PHOTOGRAPHS, Trace, tiny

from configs import default
from resnet_jax.assembly import choices, keys
from resnet_jax.assembly.sections import Data
from resnet_jax.tables import options_of


@cache
def traced(changes: tuple) -> Trace:
    return Trace(tiny(**dict(changes)))


# What streams: small photographs in folders, decoded by this process.
STREAMED = {"data.source": "folder", "data.dir": str(PHOTOGRAPHS), "data.image_size": 8,
            "data.classes": None, "data.examples": None, "data.workers": 0,
            "data.pad": None}  # fmt: skip

# What schedule-free optimizers need: statistics of the parameters that they evaluate.
AVERAGED = {"eval.recalibration_steps": 1}

# What to change a key to, and what must be set beside it for the key to have a meaning.
CHANGES: dict[str, tuple[object, dict]] = {
    "seed": (1, {}),
    "model.family": ("imagenet", {}),
    "model.depth": (14, {"model.stage_depths": (), "model.widths": (4, 8, 8)}),
    "model.stage_depths": ((2, 1), {}),
    "model.widths": ((8, 8), {}),
    "model.first_stride": (2, {}),
    "model.widening": (8, {"model.widths": (), "model.stage_depths": (1, 1, 1)}),
    "model.width_factor": (2.0, {}),
    "model.stem": ("deep", {}),
    "model.stem_pool": ("max", {}),
    "model.stem_width": (8, {}),
    "model.branch": ("bottleneck", {}),
    "model.stage_branches": (("bottleneck", "basic"), {}),
    "model.arrangement": ("full_preactivation", {}),
    "model.shortcut": ("C", {}),
    "model.transition": ("convolution_and_pool", {}),
    "model.head": ("max", {}),
    "model.activation": ("gelu", {}),
    "model.activate_stem": (True, {"model.arrangement": "full_preactivation",
                                   "model.stem_pool": "max"}),
    "model.activate_identity": (False, {"model.arrangement": "full_preactivation"}),
    "model.attention": ("efficient", {}),
    "model.antialias": ("blur", {}),
    "model.kernel_init": ("pytorch", {}),
    "model.zero_init_branch": (True, {}),
    "model.branch_gain": (0.0, {}),
    "model.dropout": (0.1, {}),
    "model.drop_whole_batch": (True, {"model.survival": 0.5}),
    "model.survival": (0.5, {}),
    "model.conv_bias": (True, {}),
    "model.weight_epsilon": (1e-6, {}),
    "model.weight_gain": (2.0, {"model.weight_epsilon": 1e-6}),
    "model.head_width": (12, {}),
    "model.scan_blocks": (True, {"model.stage_depths": (1, 3)}),
    "model.remat": ("block", {}),
    "model.dtype": ("bfloat16", {}),
    "norm.name": ("none", {}),
    "finetune.frozen_parts": (1, {}),
    "finetune.rate_decay": (0.5, {}),
    "data.source": ("digits", {"data.image_size": None, "data.classes": None,
                               "data.examples": None, "data.mean": (0.5,), "data.std": (0.5,)}),
    "data.train_split": ("other", {}),
    "data.eval_split": ("other", {}),
    "data.mean": ((0.1, 0.2, 0.3), {}),
    "data.std": ((0.1, 0.2, 0.3), {}),
    "data.policy": ("trivial_augment", STREAMED),
    "data.repeats": (3, {}),
    "train.batch_size": (16, {}),
    "train.epochs": (3.0, {"train.steps": None}),
    "train.steps": (7, {}),
    "train.accumulate": (2, {}),
    "train.steps_per_call": (2, {}),
    "train.loss": ("binary_cross_entropy", {}),
    "train.label_smoothing": (0.1, {}),
    "train.ema_decay": (0.9, {}),
    "mixing.mixup": (0.2, {}),
    "mixing.cutmix": (1.0, {}),
    "mixing.switch": (0.3, {"mixing.mixup": 0.2, "mixing.cutmix": 1.0}),
    "mixing.probability": (0.3, {"mixing.mixup": 0.2}),
    "mixing.per_example": (True, {"mixing.mixup": 0.2}),
    "optim.name": ("nesterov", {}),
    "optim.rate": (0.3, {}),
    "optim.weight_decay": (0.3, {}),
    "optim.decay_rule": ("kernels", {}),
    "optim.clip_norm": (1.0, {}),
    "optim.clip": ("adaptive", {}),
    "optim.ascent": ("sam", {}),
    "optim.groups": (({"name": "kernels", "rate": 2.0},), {}),
    "optim.lookahead": ("constant", {}),
    "schedule.name": ("constant", {}),
    "schedule.warmup_epochs": (1.0, {}),
    "schedule.warmup": ("constant", {"schedule.warmup_epochs": 1.0}),
    "schedule.warmup_start": (0.5, {"schedule.warmup_epochs": 1.0}),
    "eval.batch_size": (10, {}),
    "eval.every_epochs": (3.0, {}),
    "eval.recalibration_steps": (2, {}),
    "eval.patience": (2, {}),
    "checkpoint.every_epochs": (3.0, {}),
    "report.every_steps": (3, {}),
}  # fmt: skip

# What to change an option of a row to; rows that share an option are asked once.
OPTIONS: dict[str, tuple[object, dict]] = {
    "model.branch.groups": (2, {"model.branch": "bottleneck"}),
    "model.branch.base_width": (128, {"model.branch": "bottleneck"}),
    "model.branch.first_reduction": (2, {"model.branch": "bottleneck"}),
    "model.branch.kernels": ((3, 1, 3), {"model.branch": "wide"}),
    "model.branch.pairs": (3, {"model.branch": "deep"}),
    "model.branch.kernel": (3, {"model.branch": "convnext", "model.widths": (4, 4),
                                "model.stem_width": 4, "model.transition": "norm_and_convolution"}),
    "model.transition.groups": (2, {"model.transition": "cross_stage"}),
    "model.transition.growth": (2, {"model.transition": "cross_stage"}),
    "model.branch.group_width": (2, {"model.branch": "regnet"}),
    "model.branch.ratio": (2.0, {"model.branch": "regnet"}),
    "model.branch.of_input": (True, {"model.branch": "attended_bottleneck"}),
    "model.branch.scales": (2, {"model.branch": "res2net"}),
    "model.branch.radix": (4, {"model.branch": "resnest"}),
    "model.branch.pool_first": (True, {"model.branch": "resnest"}),
    "model.branch.reduction": (1.0, {"model.branch": "selective_kernel",
                                     "model.widths": (4, 32)}),
    "model.branch.multiple": (4, {"model.branch": "selective_kernel"}),
    "model.branch.split": (False, {"model.branch": "selective_kernel"}),
    "model.shortcut.layout": ("both_sides", {"model.shortcut": "A"}),
    "model.shortcut.pooled": (True, {"model.shortcut": "A"}),
    "model.shortcut.projection_kernel": (3, {"model.shortcut": "B"}),
    "model.shortcut.shortcut_scale": (0.25, {"model.shortcut": "constant_scaling"}),
    "model.shortcut.branch_scale": (0.25, {"model.shortcut": "constant_scaling"}),
    "model.shortcut.gate_bias": (-3.0, {"model.shortcut": "exclusive_gating"}),
    "model.shortcut.shortcut_dropout": (0.25, {"model.shortcut": "dropout"}),
    "model.shortcut.ends": ("A", {"model.shortcut": "orthogonal"}),
    "model.shortcut.over": ("image", {"model.shortcut": "orthogonal"}),
    "model.shortcut.epsilon": (0.1, {"model.shortcut": "orthogonal"}),
    "model.shortcut.last_share": (0.3, {"model.shortcut": "decayed_identity"}),
    "model.shortcut.squeeze": (1.0, {"model.shortcut": "squeezed_gate"}),
    "model.shortcut.initial_gain": (0.3, {"model.shortcut": "layer_scale"}),
    "model.shortcut.gate_kernel": (1, {"model.shortcut": "highway"}),
    "model.shortcut.gate_start": (0.3, {"model.shortcut": "deep_delta"}),
    "model.shortcut.largest_value": (2.0, {"model.shortcut": "deep_delta"}),
    "model.shortcut.streams": (3, {"model.shortcut": "hyper"}),
    "model.shortcut.dynamic": (False, {"model.shortcut": "hyper"}),
    "model.shortcut.sinkhorn_steps": (3, {"model.shortcut": "manifold_hyper"}),
    "model.shortcut.groups": (1, {"model.shortcut": "attention",
                                  "model.arrangement": "full_preactivation"}),
    "model.shortcut.compression": (1.0, {"model.shortcut": "concatenation",
                                         "model.arrangement": "full_preactivation"}),
    "model.shortcut.level": ("batch", {"model.shortcut": "shake_shake"}),
    "model.shortcut.backward": ("even", {"model.shortcut": "shake_shake"}),
    "model.shortcut.last_survival": (0.3, {"model.shortcut": "shake_drop"}),
    "model.activation.slope": (0.3, {"model.activation": "leaky_relu"}),
    "model.activation.tanh": (True, {"model.activation": "gelu"}),
    "model.head.bias": (False, {}),
    "model.head.logit_scale": (0.5, {}),
    "model.attention.reduction": (1.0, {"model.attention": "squeeze_excitation",
                                        "model.widths": (4, 32)}),
    "model.attention.multiple": (2, {"model.attention": "squeeze_excitation"}),
    "model.attention.gain": (2.0, {"model.attention": "efficient"}),
    "model.attention.of_input": (True, {"model.attention": "squeeze_excitation",
                                        "model.widths": (4, 256)}),
    "model.attention.as_network": (True, {"model.attention": "squeeze_excitation",
                                          "model.activation": "silu"}),
    "norm.group_size": (8, {}),
    "norm.momentum": (0.5, {}),
    "norm.epsilon": (0.1, {}),
    "norm.scale": (False, {}),
    "norm.frozen": (True, {}),
    "norm.channel_groups": (2, {"norm.name": "group"}),
    "norm.group_width": (2, {"norm.name": "group"}),
    "optim.momentum": (0.5, {}),
    "optim.b1": (0.5, {"optim.name": "adam"}),
    "optim.b2": (0.5, {"optim.name": "adam"}),
    "optim.eps": (0.5, {"optim.name": "adam"}),
    "optim.weight_power": (0.5, {**AVERAGED, "optim.name": "schedule_free_sgd"}),
    "optim.clip.clipping": (0.5, {"optim.clip": "adaptive"}),
    "optim.clip.epsilon": (0.5, {"optim.clip": "adaptive"}),
    "optim.clip.spares_head": (False, {"optim.clip": "adaptive"}),
    "optim.ascent.radius": (0.5, {"optim.ascent": "sam"}),
    "optim.lookahead.every": (3, {"optim.lookahead": "constant"}),
    "optim.lookahead.decay": (0.3, {"optim.lookahead": "constant"}),
    "optim.lookahead.power": (2.0, {"optim.lookahead": "rising"}),
    "optim.trust": (0.5, {"optim.name": "lars"}),
    "optim.adapt_all": (False, {"optim.name": "lamb", "optim.decay_rule": "kernels"}),
    "schedule.decay_at": ((0.3,), {"schedule.name": "step"}),
    "schedule.decay_factor": (0.3, {"schedule.name": "step"}),
    "schedule.power": (2.0, {"schedule.name": "polynomial"}),
    "schedule.length": (0.3, {"schedule.name": "polynomial"}),
    "schedule.decay": (0.5, {"schedule.name": "stable_decay"}),
    "schedule.decay_shape": ("linear", {"schedule.name": "stable_decay"}),
    "schedule.final": (0.3, {}),
    "schedule.rise": (0.5, {"schedule.name": "one_cycle"}),
    "schedule.start": (0.5, {"schedule.name": "one_cycle"}),
    "train.loss.target_threshold": (0.2, {"train.loss": "binary_cross_entropy"}),
    "data.policy.operations": (5, {**STREAMED, "data.policy": "rand_augment"}),
    "data.policy.magnitude": (25, {**STREAMED, "data.policy": "rand_augment"}),
    "data.image_size": (16, {}),
    "data.classes": (3, {}),
    "data.examples": (32, {}),
    "data.pad": (1, {}),
    "data.reflect_pad": (1, {"data.pad": None}),
    "data.flip": (True, {}),
    "data.cutout": (3, {}),
    "data.inner_cutout": (3, {}),
    "data.erase": (0.5, {}),
    "data.crop_area": ((0.5, 0.5), STREAMED),
    "data.crop_aspect": ((1.0, 1.0), STREAMED),
    "data.short_side": ((9, 12), STREAMED),
    "data.policy.deviation": (3.0, {**STREAMED, "data.policy": "timm_rand_augment"}),
    "data.policy.probability": (1.0, {**STREAMED, "data.policy": "timm_rand_augment"}),
    "data.policy.fill": ((0, 0, 0), {**STREAMED, "data.policy": "timm_rand_augment"}),
    "data.lighting": (0.5, STREAMED),
    "data.jitter": ((0.4, 0.4, 0.4, 0.1), STREAMED),
    "data.eval_size": (12, STREAMED),
    "data.crop_ratio": (0.5, STREAMED),
    "data.interpolation": ("bicubic", STREAMED),
    "data.first_size": (4, STREAMED),
    "data.growth": ((0.0, 0.1), {**STREAMED, "data.first_size": 4, "data.image_size": 64}),
    "data.eval_views": ("mirrored", STREAMED),
    "data.eval_scales": ((9, 11), STREAMED),
}  # fmt: skip
# Keys whose effect lies outside of the computation, and the test that shows it.
SHOWN_ELSEWHERE = {
    "init.weights": "weights/test_use.py",
    "init.run": "assembly/test_going_on.py",
    "init.whitening_images": "assembly/test_fast_parts.py",
    "init.whitening_epsilon": "assembly/test_fast_parts.py",
    "eval.average_logits": "test_evaluation.py",
    "eval.metrics": "test_rows_from_outside.py",
    "eval.target_top1": "pages/test_time_to_target.py",
    "checkpoint.keep": "test_keep_and_keep_best_reach_the_checkpoints",
    "checkpoint.keep_best": "test_keep_and_keep_best_reach_the_checkpoints",
    "train.deterministic": "training/test_compilation.py",
    "train.onednn": "training/test_compilation.py",
    "report.page": "test_run_page.py",
    "report.profile": "test_the_window_of_the_profile_follows_the_configuration",
    "mesh.data": "test_devices.py",
    "mesh.model": "test_devices.py",
    "mesh.shard_state": "test_devices.py",
    "report.tensorboard": "test_sinks_follow_the_configuration",
    "report.wandb": "test_sinks_follow_the_configuration",
    "report.project": "test_sinks_follow_the_configuration",
}


# The same of options of rows.
OPTIONS_SHOWN_ELSEWHERE = {
    "data.name": "data/sources/test_sources.py",
    "data.dir": "data/sources/test_sources.py",
    "data.holdout": "assembly/test_photos.py",
    "data.workers": "data/test_stream.py",
    "data.augment": "test_rows_from_outside.py",
}


def every_option() -> set[str]:
    """Every option of every row, after the key that chooses the row."""
    tables = {**choices.CHOICES, **choices.SECTIONS}
    del tables["data.source"], tables["model.kernel_init"], tables["model.dtype"]
    found = {
        f"{where}.{option}"
        for where, table in tables.items()
        for row in table.values()
        for option in options_of(row)
    }
    data = choices.keys_of(default.get_config(), "data").keys() - options_of(Data).keys()
    return found | {f"data.{option}" for option in data}


def test_the_table_of_changes_covers_every_key():
    every = set(keys.flatten(default.get_config().to_dict()))
    assert every == set(CHANGES) | set(SHOWN_ELSEWHERE)


def test_the_table_of_options_covers_every_option_of_every_row():
    missing = every_option() - set(OPTIONS) - set(OPTIONS_SHOWN_ELSEWHERE)
    assert not missing, f"add to OPTIONS what changes with {sorted(missing)}"
    assert set(OPTIONS) <= every_option()


@pytest.mark.parametrize("key", [*CHANGES, *OPTIONS])
def test_a_key_changes_something(key):
    value, beside = {**CHANGES, **OPTIONS}[key]
    assert traced(tuple(beside.items())).differs(Trace(tiny(**beside, **{key: value})))


def test_the_trace_of_equal_configurations_is_equal():
    assert not Trace(tiny()).differs(Trace(tiny()))


@pytest.mark.parametrize("key", ["optim.rate", "optim.weight_decay"])
def test_runs_that_differ_in_an_argument_share_a_compiled_step(key):
    one, other = traced(()), Trace(tiny(**{key: 0.3}))
    assert (one.start, one.step) == (other.start, other.step)
    assert one.plan != other.plan
