"""Every configuration file builds a run, and every key of it changes something."""

import atexit
import importlib
import re
import shutil
import tempfile
import zlib
from functools import cache
from pathlib import Path

import jax
import numpy as np
import photographs
import pytest
from ml_collections import ConfigDict

from configs import default, smoke
from resnet_jax.assembly import Assembly, choices, configuration, keys, run_folder
from resnet_jax.data import photographs as photographs_of_data
from resnet_jax.data.changes.augment import AUGMENTATIONS
from resnet_jax.data.sources.catalogue import SOURCES, Source
from resnet_jax.data.sources.decoded import ImageSet
from resnet_jax.tables import UserError, options_of
from resnet_jax.training.dispatch import Dispatch

ROOT = Path(__file__).parents[2]
FILES = sorted(path.stem for path in (ROOT / "configs").glob("[a-z]*.py"))

PHOTOGRAPHS = Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, PHOTOGRAPHS)
for split in ("train", "test"):
    photographs.write(PHOTOGRAPHS, split)


def tiny(**changes) -> ConfigDict:
    """The smoke configuration, smaller, with changes to flattened keys."""
    config = smoke.get_config(
        "stage_depths=(1,2),widths=(4,8),width_factor=1.0,stem_width=4,data.image_size=8,data.examples=64"
    )
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        where, _, choice = section.partition(".")
        if value is None and name in config.get(section, {}) and where == "data":
            del config[where][name]
        elif choice:
            row = config[where][choice]
            config[where][choice] = {"name": row, name: value}
        elif section:
            config[section][name] = value
        else:
            config[name] = value
    return config


def made_up(source: Source) -> Source:
    """A source of a few images in place of one that must be read from disk."""

    def load(split: str) -> ImageSet:
        draw = np.random.default_rng(len(split))
        images = draw.integers(0, 256, (256, *source.image_shape), np.uint8)
        return ImageSet(images, np.arange(256, dtype=np.int32) % len(source.class_names))

    return source._replace(load=load)


def trace(config: ConfigDict, assembly: Assembly | None = None) -> str:
    """The whole computation of the first step as text, and when and what happens around it.

    Nothing is compiled. Two runs that differ in what they compute differ here.
    """
    assembly = assembly or Assembly(config)
    run = assembly.run()
    state = jax.eval_shape(assembly.initial_state, jax.random.key(0))
    start = jax.make_jaxpr(assembly.initial_state)(jax.random.key(run.seed))
    dispatch = Dispatch([run])
    step = dispatch.traced(state, 3, run.steps_per_call).jaxpr
    picks = run.data.train_picks(run.seed, 3, run.batch_size)
    eval_picks = jax.device_get(list(assembly.evaluation.evaluator.placed_picks()))
    plan = (run.seed, run.numbers, run.steps, run.steps_per_call, run.report_every,
            run.evaluate_every, run.save_every, assembly.train_data.examples,
            assembly.eval_data.examples)  # fmt: skip
    resident = [data.arrays.get("images", np.zeros(1)) for data in (run.data, assembly.eval_data)]
    streamed = [pick.images for pick in (picks, *eval_picks) if hasattr(pick, "images")]
    pixels = [zlib.crc32(images.tobytes()) for images in resident + streamed]
    text = f"{start}{step}{step.consts}{plan}{picks}{eval_picks}{pixels}"
    text += f"{assembly.evaluation.recalibration is None}"
    return re.sub(r"0x[0-9a-f]+", "", text)


# The recipes of ImageNet have tests/test_recipes.py.
BUILT = [name for name in FILES if name != "default" and not name.startswith("imagenet")]


@pytest.mark.parametrize("name", BUILT)
def test_every_file_builds_a_run_and_its_first_step(name):
    config = importlib.import_module(f"configs.{name}").get_config()
    assembly = Assembly(config)
    assembly.inputs.__dict__["source"] = made_up(assembly.source)
    config.train.batch_size = 32
    assert "conv_general_dilated" in trace(config, assembly)
    assert len(config.data.mean) == len(config.data.std) == assembly.source.image_shape[-1]


@cache
def cached_trace(changes: tuple) -> str:
    return trace(tiny(**dict(changes)))


# What streams: small photographs in folders, decoded by this process.
STREAMED = {"data.source": "folder", "data.dir": str(PHOTOGRAPHS), "data.image_size": 8,
            "data.classes": None, "data.examples": None, "data.workers": 0,
            "data.pad": None}  # fmt: skip

# What to change a key to, and what must be set beside it for the key to have a meaning.
CHANGES: dict[str, tuple[object, dict]] = {
    "seed": (1, {}),
    "model.family": ("imagenet", {}),
    "model.depth": (14, {"model.stage_depths": (), "model.widths": (4, 8, 8)}),
    "model.stage_depths": ((2, 1), {}),
    "model.widths": ((8, 8), {}),
    "model.width_factor": (2.0, {}),
    "model.stem": ("deep", {}),
    "model.stem_pool": ("max", {}),
    "model.stem_width": (8, {}),
    "model.branch": ("bottleneck", {}),
    "model.stage_branches": (("bottleneck", "basic"), {}),
    "model.arrangement": ("full_preactivation", {}),
    "model.shortcut": ("C", {}),
    "model.activate_identity": (False, {"model.arrangement": "full_preactivation"}),
    "model.attention": ("efficient", {}),
    "model.antialias": ("blur", {}),
    "model.kernel_init": ("pytorch", {}),
    "model.zero_init_branch": (True, {}),
    "model.branch_gain": (0.0, {}),
    "model.dropout": (0.1, {}),
    "model.survival": (0.5, {}),
    "model.weight_epsilon": (1e-6, {}),
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
    "schedule.name": ("constant", {}),
    "schedule.warmup_epochs": (1.0, {}),
    "schedule.warmup": ("constant", {"schedule.warmup_epochs": 1.0}),
    "schedule.warmup_start": (0.5, {"schedule.warmup_epochs": 1.0}),
    "eval.batch_size": (10, {}),
    "eval.every_epochs": (3.0, {}),
    "eval.recalibration_steps": (2, {}),
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
    "model.shortcut.layout": ("both_sides", {"model.shortcut": "A"}),
    "model.shortcut.projection_kernel": (3, {"model.shortcut": "B"}),
    "model.shortcut.shortcut_scale": (0.25, {"model.shortcut": "constant_scaling"}),
    "model.shortcut.branch_scale": (0.25, {"model.shortcut": "constant_scaling"}),
    "model.shortcut.gate_bias": (-3.0, {"model.shortcut": "exclusive_gating"}),
    "model.shortcut.shortcut_dropout": (0.25, {"model.shortcut": "dropout"}),
    "model.attention.reduction": (1.0, {"model.attention": "squeeze_excitation",
                                        "model.widths": (4, 32)}),
    "norm.group_size": (8, {}),
    "norm.momentum": (0.5, {}),
    "norm.epsilon": (0.1, {}),
    "norm.channel_groups": (2, {"norm.name": "group"}),
    "optim.momentum": (0.5, {}),
    "optim.b1": (0.5, {"optim.name": "adam"}),
    "optim.b2": (0.5, {"optim.name": "adam"}),
    "optim.eps": (0.5, {"optim.name": "adam"}),
    "optim.trust": (0.5, {"optim.name": "lars"}),
    "optim.adapt_all": (False, {"optim.name": "lamb", "optim.decay_rule": "kernels"}),
    "schedule.decay_at": ((0.3,), {"schedule.name": "step"}),
    "schedule.decay_factor": (0.3, {"schedule.name": "step"}),
    "schedule.power": (2.0, {"schedule.name": "polynomial"}),
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
    "data.flip": (True, {}),
    "data.cutout": (3, {}),
    "data.erase": (0.5, {}),
    "data.crop_area": ((0.5, 0.5), STREAMED),
    "data.crop_aspect": ((1.0, 1.0), STREAMED),
    "data.short_side": ((9, 12), STREAMED),
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
    "eval.metrics": "test_rows_from_outside.py",
    "checkpoint.keep": "test_keep_and_keep_best_reach_the_checkpoints",
    "checkpoint.keep_best": "test_keep_and_keep_best_reach_the_checkpoints",
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
    data = {option for row in SOURCES.values() for option in options_of(row)} - {"splits"}
    data |= {*(photographs_of_data.KEYS - {"policy"}), *AUGMENTATIONS, "augment"}
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
    before = cached_trace(tuple(beside.items()))
    assert before != trace(tiny(**beside, **{key: value}))


def test_the_trace_of_equal_configurations_is_equal():
    assert trace(tiny()) == trace(tiny())


@pytest.mark.parametrize("key", ["optim.rate", "optim.weight_decay"])
def test_runs_that_differ_in_an_argument_share_a_compiled_step(key):
    numbers = r"Numbers\([^)]*\)"
    one, other = (re.sub(numbers, "", text) for text in (trace(tiny()), trace(tiny(**{key: 0.3}))))
    assert one == other


@pytest.mark.parametrize(("platform", "on_cpu"), [("cpu", True), ("tpu", False), ("gpu", False)])
def test_what_the_platform_decides(platform, on_cpu):
    assembly = Assembly(tiny(), platform=platform)
    assert assembly.model.scan_blocks != on_cpu
    assert assembly.model.layers.joint_norm != on_cpu
    assert assembly.train_step.unroll == on_cpu
    assert assembly.run().steps_per_call == (1 if on_cpu else 16)


def test_keep_and_keep_best_reach_the_checkpoints(tmp_path):
    config = tiny(**{"checkpoint.keep": 1, "checkpoint.keep_best": 0})
    assembly = Assembly(config)
    with assembly.checkpoints(tmp_path) as checkpoints:
        state = assembly.create_state()
        for step, top1 in ((1, 0.9), (2, 0.1), (3, 0.2)):
            checkpoints.save(state.replace(step=jax.numpy.int32(step)), {"top1": top1})
        checkpoints.wait()
        assert checkpoints.steps == [3]
    config = tiny(**{"checkpoint.keep": 2, "checkpoint.keep_best": 1})
    with Assembly(config).checkpoints(tmp_path / "other") as checkpoints:
        for step, top1 in ((1, 0.9), (2, 0.1), (3, 0.2), (4, 0.3)):
            checkpoints.save(state.replace(step=jax.numpy.int32(step)), {"top1": top1})
        checkpoints.wait()
        assert checkpoints.steps == [1, 3, 4]
        assert checkpoints.best_step == 1


def test_sinks_follow_the_configuration(tmp_path, monkeypatch):
    projects = []
    monkeypatch.setattr(
        "resnet_jax.assembly.outputs.WandB",
        lambda workdir, project, config: projects.append(project),
    )
    monkeypatch.setattr("resnet_jax.assembly.outputs.TensorBoard", lambda folder: "tensorboard")
    for tensorboard in (True, False):
        for wandb in (True, False):
            config = tiny(**{"report.tensorboard": tensorboard, "report.wandb": wandb,
                             "report.project": "mine"})  # fmt: skip
            sinks = Assembly(config).reports(tmp_path)._sinks
            assert ("tensorboard" in sinks) == tensorboard
            assert (None in sinks) == wandb
            sinks[0].close()
    assert projects == ["mine"] * 2


def test_the_window_of_the_profile_follows_the_configuration(tmp_path):
    assert Assembly(tiny(**{"report.profile": "2:9"})).profile(tmp_path).boundaries(0) == [2, 9]
    assert Assembly(tiny()).profile(tmp_path).boundaries(0) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("detph=3", "did you mean 'model.depth'"),
        ("optim.rte=3", "did you mean 'optim.rate'"),
        ("nosection.key=3", "valid sections"),
        ("depth", "not KEY=VALUE"),
        ("depth=deep", "type int"),
    ],
)
def test_a_wrong_override_names_the_right_one(text, message):
    with pytest.raises(UserError, match=message):
        configuration.override(default.get_config(), text)


def test_overrides_reach_their_keys():
    text = "depth=110,shortcut=C,branch=wide,kernels=(3,1,3),optim.rate=0.3,seed=4,widths=(1,2)"
    config = configuration.override(default.get_config(), text)
    assert (config.model.depth, config.model.shortcut, config.seed) == (110, "C", 4)
    assert config.model.branch == {"name": "wide", "kernels": (3, 1, 3)}
    assert config.model.widths == (1, 2)
    assert config.optim.rate == 0.3


def test_a_saved_configuration_reads_back_the_same(tmp_path):
    config = tiny(**{"schedule.name": "step", "schedule.decay_at": (0.25, 0.5)})
    run_folder.claim(tmp_path, config)
    assert run_folder.load(tmp_path).to_dict() == config.to_dict()


def test_a_run_without_a_checkpoint_gives_way(tmp_path):
    run_folder.claim(tmp_path, tiny())
    run_folder.claim(tmp_path, tiny(seed=5))
    assert run_folder.load(tmp_path).seed == 5


def test_a_workdir_belongs_to_one_configuration(tmp_path):
    run_folder.claim(tmp_path, tiny())
    run_folder.claim(tmp_path, tiny())
    (tmp_path / "checkpoints" / "1").mkdir(parents=True)
    before = (tmp_path / "config.json").read_text()
    with pytest.raises(UserError, match=r"optim\.rate was 0\.05 and is 0\.3"):
        run_folder.claim(tmp_path, tiny(**{"optim.rate": 0.3}))
    assert (tmp_path / "config.json").read_text() == before
    # What changes no number may change.
    run_folder.claim(tmp_path, tiny(**{"report.every_steps": 3, "eval.batch_size": 10}))


def test_recalibration_needs_batch_statistics():
    config = tiny(**{"norm.name": "group", "norm.channel_groups": 2, "eval.recalibration_steps": 2})
    with pytest.raises(UserError, match="recomputes batch statistics"):
        Assembly(config).run()
