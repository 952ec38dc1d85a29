"""A file of weights in a run, in an evaluation and in what is exported."""

import json
import shlex
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from command_line import call, mistake, run
from golden.tensors import draw
from jax import export

from configs import smoke
from resnet_jax.assembly import Assembly
from resnet_jax.models import create
from resnet_jax.tables import UserError
from resnet_jax.weights import read_tensors, write_tensors
from resnet_jax.weights.artefacts import onnx, stablehlo
from resnet_jax.weights.mapping import tensor_shapes

TINY = (
    "stage_depths=(1,3),widths=(4,8),width_factor=1.0,stem_width=4,data.image_size=8,"
    "data.examples=64,train.steps=2"
)
CONFIG = f"--config=configs/smoke.py:{TINY}"


def tiny(**changes) -> Assembly:
    config = smoke.get_config(TINY)
    config.update_from_flattened_dict(changes)
    return Assembly(config)


def start(assembly: Assembly, pretrained=None):
    return jax.jit(assembly.initial_state)(jax.random.key(0), pretrained or {})


def file_for(model, folder) -> Path:
    shapes = tensor_shapes(model)
    tensors = {name: draw(name, shape).astype(np.float32) for name, shape in shapes.items()}
    write_tensors(folder / "given.safetensors", tensors, {})
    return folder / "given.safetensors"


@pytest.mark.parametrize("scan", [False, True])
def test_a_run_starts_from_a_file_in_both_layouts(tmp_path, scan):
    path = file_for(tiny().model, tmp_path)
    assembly = tiny(**{"init.weights": str(path), "model.scan_blocks": scan,
                       "train.ema_decay": 0.9})  # fmt: skip
    pretrained = assembly.pretrained
    state = start(assembly, pretrained)
    for part in ("params", "batch_stats"):
        jax.tree.map(np.testing.assert_array_equal, state.variables[part], pretrained[part])
        jax.tree.map(np.testing.assert_array_equal, state.ema[part], pretrained[part])
    assert ("blocks" in state.params["stage2"]) == scan


def test_a_head_of_other_classes_is_drawn_anew_and_everything_else_kept(tmp_path):
    path = file_for(tiny(**{"data.classes": 9}).model, tmp_path)
    assembly = tiny(**{"init.weights": str(path)})
    drawn = start(assembly)
    state = start(assembly, assembly.pretrained)
    jax.tree.map(np.testing.assert_array_equal, state.params["head"], drawn.params["head"])
    kernel = read_tensors(path)["conv1.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(state.params["stem_conv"]["kernel"], kernel)
    with pytest.raises(UserError, match="fc"):
        assembly.variables_from(path)


def test_without_a_file_the_state_is_drawn_as_before():
    assert tiny().pretrained == {}


@pytest.fixture(scope="module")
def small():
    """A network of every new part, its variables and images."""
    model = create(
        "seresnext50_32x4d", classes=3, stage_depths=(1, 1), widths=(8, 16), stem_width=8,
        stem="deep", shortcut="D",
        branch={"name": "bottleneck", "groups": 2, "base_width": 32},
    )  # fmt: skip
    images = draw("images", (3, 32, 32, 3)).astype(np.float32)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), images[:1], train=False))
    fill = np.random.default_rng(0).uniform
    variables = jax.tree.map(lambda leaf: fill(0.1, 0.5, leaf.shape).astype(np.float32), shapes)
    return model, variables, images


def test_stablehlo_gives_the_same_logits_for_any_batch(small):
    model, variables, images = small
    artefact = export.deserialize(bytearray(stablehlo(model, variables, (32, 32, 3))))
    assert artefact.platforms == ("cpu", "cuda", "tpu")
    for batch in (1, 3):
        expected = model.apply(variables, images[:batch], train=False)
        logits = artefact.call(images[:batch])
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_onnx_gives_the_same_logits(small):
    pytest.importorskip("jax2onnx", reason="pip install -r requirements-onnx.txt")
    onnxruntime = pytest.importorskip("onnxruntime")
    model, variables, images = small
    session = onnxruntime.InferenceSession(onnx(model, variables, (32, 32, 3)))
    expected = model.apply(variables, images, train=False)
    (logits,) = session.run(None, {"images": images})
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A run, its final figures, and its weights as a file."""
    folder = tmp_path_factory.mktemp("exported")
    workdir, path = folder / "run", folder / "exported.safetensors"
    result = call("train", CONFIG, f"--workdir={workdir}")
    run("export", str(path), f"--workdir={workdir}")
    return workdir, result, path


@pytest.mark.slow
def test_exported_weights_are_evaluated_as_the_run_was(exported):
    _, trained, path = exported
    beside = json.loads(path.with_name("exported.safetensors.json").read_text())
    assert (beside["mean"], beside["std"]) == ([0.5] * 3, [0.25] * 3)
    assert beside["image_shape"] == [8, 8, 3] and len(beside["classes"]) == 4
    card = path.with_name("README.md").read_text()
    assert card.startswith("---\nlibrary_name: resnet_jax\n")
    assert f"| top1 | {trained['top1']:.6g} |" in card and '"mean": [' in card
    assert shlex.join(sys.orig_argv) in card.partition("## Training")[2]
    assert "None is stated" in card
    evaluated = call("evaluate", CONFIG, f"--weights={path}")
    assert evaluated["top1"] == trained["top1"]
    assert evaluated["loss"] == pytest.approx(trained["loss"], rel=1e-6)


@pytest.mark.slow
def test_a_readme_of_others_is_left_alone(exported, tmp_path):
    workdir, _, _ = exported
    (tmp_path / "README.md").write_text("# My project\n")
    target = tmp_path / "net.stablehlo"
    found = call("export", str(target), f"--workdir={workdir}", "--licence=Apache-2.0")
    assert (tmp_path / "README.md").read_text() == "# My project\n"
    assert found["card"] == str(tmp_path / "net.stablehlo.md")
    card = (tmp_path / "net.stablehlo.md").read_text()
    assert "\nlicense: apache-2.0\n" in card and "deserialize" in card


@pytest.mark.slow
def test_a_linear_probe_changes_the_head_alone(exported, tmp_path):
    _, _, path = exported
    workdir, after = tmp_path / "probe", tmp_path / "probe.safetensors"
    run("main", CONFIG, f"--workdir={workdir}", f"--config.init.weights={path}",
        "--config.finetune.frozen_parts=3")  # fmt: skip
    run("convert", str(workdir), str(after))
    before, probe = read_tensors(path), read_tensors(after)
    changed = {name for name in before if not np.array_equal(before[name], probe[name])}
    assert changed == {"fc.weight", "fc.bias"}


def test_mistakes_are_answered_and_nothing_is_written(tmp_path):
    assert "--weights goes with --config" in mistake("evaluate", "--weights=a.safetensors")
    out = str(tmp_path / "out.safetensors")
    path = file_for(create("cifar_resnet32_akamaster"), tmp_path)
    message = mistake("convert", str(path), out, "--model=cifar_resnet20_akamaster")
    assert "would be left over" in message and "'cifar_resnet32" in message
    assert "end it in" in mistake("export", str(tmp_path / "out.zip"), CONFIG, f"--weights={path}")
    assert [path.name for path in tmp_path.iterdir()] == ["given.safetensors"]


@pytest.mark.slow
def test_missing_arguments_are_named(tmp_path):
    assert "give --workdir=RUN, or --config=FILE" in mistake("evaluate")
    assert "there is no file of weights" in mistake("evaluate", CONFIG, "--weights=a.safetensors")
    assert "TARGET is missing" in mistake("convert", "a.safetensors")
    assert "give --model=NAME" in mistake("convert", "a.safetensors", str(tmp_path / "out"))


def test_a_converted_file_holds_the_same_tensors_under_other_names(tmp_path):
    model = create("cifar_resnet20_akamaster", classes=3)
    path, out = file_for(model, tmp_path), tmp_path / "out.safetensors"
    result = call("convert", str(path), str(out), "--model=cifar_resnet20_akamaster",
                 "--naming=akamaster")  # fmt: skip
    assert result["parameters"] == 269_722 - 7 * 65
    given, converted = read_tensors(path), read_tensors(out)
    renamed = {name.replace("fc.", "linear."): tensor for name, tensor in given.items()}
    assert renamed.keys() == converted.keys()
    assert all(np.array_equal(renamed[name], converted[name]) for name in renamed)


@pytest.mark.slow
def test_released_weights_give_their_published_accuracy(shared):
    """akamaster/pytorch_resnet_cifar10, ResNet-20: 0.9173 on the test set."""
    result = run(
        "evaluate",
        "--config=configs/cifar10.py:name=cifar_resnet20_akamaster",
        f"--config.data.dir={shared / 'tensorflow_datasets'}",
        "--config.data.mean=(0.485,0.456,0.406)",
        "--config.data.std=(0.229,0.224,0.225)",
        f"--weights={shared / 'weights/cifar_resnet20_akamaster.safetensors'}",
    )
    assert (result["examples"], result["top1"]) == (10_000, 0.9173)


def test_what_the_converter_to_onnx_replaces_is_looked_up_when_a_network_is_called(monkeypatch):
    """The converter puts functions of its own, which ask for names, in place of Flax's."""
    called = []

    def max_pool(x, *, window_shape, strides):
        called.append("max_pool")
        return x[:, :: strides[0], :: strides[1]]

    def relu(x):
        called.append("relu")
        return x

    monkeypatch.setattr("flax.linen.max_pool", max_pool)
    monkeypatch.setattr("flax.linen.relu", relu)
    model = create("resnet18", classes=3, stage_depths=(1,), widths=(4,), stem_width=4)
    images = np.zeros((1, 32, 32, 3), np.float32)
    jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))
    # Behind the stem, the first convolution and the addition.
    assert (called.count("max_pool"), called.count("relu")) == (1, 3)
