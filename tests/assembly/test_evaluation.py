"""Every example counts once, whatever the devices and the batch; the verb and other test sets."""

import json
import subprocess
import sys

import numpy as np
import photographs
import pytest
from command_line import ROOT, environment, error, run
from PIL import Image
from traces import tiny

from configs import imagenet
from resnet_jax.assembly import Assembly
from resnet_jax.data.changes.corruptions import CORRUPTIONS, SEVERITIES
from resnet_jax.data.images.views import views

# 13 images: 5 ants, 5 bees and 3 cats.
EXAMPLES = 13


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("photographs")
    for split in ("train", "validation"):
        photographs.write(place, split, each=5)
    for number in (3, 4):
        (place / "validation" / "cat" / f"cat_{number}.JPEG").unlink()
    return place


@pytest.fixture(scope="module")
def on_devices(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("devices") / "found.json"
    script = ROOT / "tests" / "evaluating_on_devices.py"
    paths = f"{ROOT}:{ROOT / 'tests'}"
    done = subprocess.run(
        [sys.executable, str(script), str(folder), str(out)],
        cwd=ROOT, env={**environment(), "PYTHONPATH": paths}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


def test_every_example_counts_once_on_1_2_and_8_devices(on_devices):
    """13 examples in batches of 5, 7 and 100: none divides, nor do the devices."""
    assert [one["devices"] for one in on_devices] == [1] * 3 + [2] * 3 + [8] * 3
    for one in on_devices:
        assert one["examples"] == EXAMPLES
        np.testing.assert_array_equal(np.sum(one["confusion"], axis=1), [5, 5, 3])
        assert one["confusion"] == on_devices[0]["confusion"]
        for name in ("loss", "top1", "top5", "calibration_error"):
            assert one[name] == pytest.approx(on_devices[0][name], rel=1e-5), name


@pytest.mark.slow
def test_logits_of_views_are_averaged_where_a_configuration_says_so(folder):
    """The mean of logits has another loss than the mean of probabilities."""
    changes = {"data.source": "folder", "data.dir": str(folder), "data.image_size": 8,
               "data.eval_split": "validation", "data.workers": 0, "data.pad": None,
               "data.classes": None, "data.examples": None,
               "data.eval_views": "mirrored"}  # fmt: skip
    losses = []
    for average in (False, True):
        made = Assembly(tiny(**changes, **{"eval.average_logits": average}))
        variables = made.create_state().eval_variables
        losses.append(made.evaluation(variables)["loss"])
    assert abs(losses[0] - losses[1]) > 1e-5


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """A run of one update on a network of two narrow stages."""
    workdir = tmp_path_factory.mktemp("run")
    reduced = (
        "stage_depths=(1,),widths=(4,),stem_width=4,data.source=folder,data.workers=0,"
        "data.image_size=16,train.batch_size=4,train.steps=1,schedule.warmup_epochs=0.0,"
        "optim.rate=0.1,eval.batch_size=5"
    )
    run("main", f"--config=configs/imagenet.py:{reduced}", f"--config.data.dir={folder}",
        f"--workdir={workdir}")  # fmt: skip
    return workdir


def test_imagenet_c_is_seen_as_its_files_are(tmp_path):
    """Their centre, without resizing (robustness, ImageNet-C/test.py); other sets are resized."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    for place in ("train/ant", "validation/ant", "sketch/ant", "c/fog/3/ant"):
        (tmp_path / place).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / place / "a.png")
    for corruption in CORRUPTIONS:
        for severity in SEVERITIES:
            place = tmp_path / "c" / corruption / str(severity)
            place.parent.mkdir(exist_ok=True)
            if not place.exists():
                place.symlink_to(tmp_path / "sketch")
    config = imagenet.get_config("data.source=folder,data.image_size=20,data.workers=0")
    config.data.dir = str(tmp_path)
    inputs = Assembly(config).inputs
    sets = {name: str(tmp_path / name[9:]) for name in ("imagenet_sketch", "imagenet_c")}
    found = {
        benchmark.name: next(inputs.benchmark_data(benchmark).eval_picks(1)).images[0, 0]
        for benchmark in inputs.benchmarks(sets)
        if benchmark.name in ("imagenet_sketch", "imagenet_c:fog:3")
    }
    np.testing.assert_array_equal(found["imagenet_c:fog:3"], pixels[2:22, 2:22])
    np.testing.assert_array_equal(found["imagenet_sketch"], views(20)(pixels)[0])


@pytest.mark.slow
def test_several_sets_in_one_run(trained, folder, tmp_path):
    details = tmp_path / "details.json"
    photographs.write(tmp_path, "a", each=2, seed=1)
    (tmp_path / "a" / "bee").rename(tmp_path / "bee")
    found = run(
        "evaluate", f"--workdir={trained}", "--changes=data.eval_views=ten,data.crop_ratio=0.8",
        f"--sets=imagenet_a={tmp_path / 'a'},imagenet_sketch={folder / 'train'}",
        f"--details={details}",
    )  # fmt: skip
    assert found["examples"] == EXAMPLES
    assert {name: values["examples"] for name, values in found["sets"].items()} == {
        "imagenet_a": 4,
        "imagenet_sketch": 15,
    }
    written = json.loads(details.read_text())
    assert set(written) == {"evaluation", "imagenet_a", "imagenet_sketch"}
    assert set(written["imagenet_a"]["class_accuracies"]) == {"ant", "cat"}
    of_classes = written["evaluation"]["class_accuracies"]
    mean = (5 * of_classes["ant"] + 5 * of_classes["bee"] + 3 * of_classes["cat"]) / EXAMPLES
    assert mean == pytest.approx(found["top1"])


@pytest.mark.slow
def test_changes_that_are_the_networks(trained):
    sentence = error("evaluate", f"--workdir={trained}", "--changes=model.dtype=bfloat16")
    assert "would change model.dtype, with which the run was trained" in sentence


@pytest.mark.slow
def test_a_missing_set_is_named_before_anything_is_evaluated(trained, tmp_path):
    sentence = error("evaluate", f"--workdir={trained}", f"--sets=imagenet_r={tmp_path / 'x'}")
    assert f"there is no folder {tmp_path / 'x'}" in sentence
