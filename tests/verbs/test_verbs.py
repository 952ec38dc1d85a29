"""The verbs as a user runs them: their last line, and what a mistake gets.

What a process adds, its status and where it writes, is looked at once a verb; what else a verb does
is called in this process, which has imported already what it needs.
"""

import json
from pathlib import Path

import pytest
from absl.flags import FlagValues
from command_line import call, error, mistake, run

from resnet_jax.training.details import DETAILED
from resnet_jax.verbs import shared_flags
from resnet_jax.verbs.train import default_workdir

SMOKE = "--config=configs/smoke.py:train.steps=16,checkpoint.every_epochs=1.0"


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, dict]:
    workdir = tmp_path_factory.mktemp("verbs") / "run"
    return workdir, run("main", SMOKE, f"--workdir={workdir}")


def snapshot(workdir: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in workdir.rglob("*")
        if path.is_file() and "tensorboard" not in path.parts
    }


def test_main_ends_with_its_final_evaluation(trained):
    workdir, result = trained
    assert result["step"] == 16 and result["examples"] == 256
    assert result["workdir"] == str(workdir)
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [5, 10, 15, 16]
    last = lines[-1]
    assert {name: result[name] for name in ("loss", "top1", "top5", "examples")} == {
        name: last[f"eval/{name}"] for name in ("loss", "top1", "top5", "examples")
    }
    assert set(last) >= {"step", "train/loss", "train/top1", "lr", "images_per_second"}


def test_evaluate_finds_what_main_found(trained):
    workdir, result = trained
    found = run("evaluate", f"--workdir={workdir}", "--batch_size=7")
    # What is found for the first of several views is left out where there is one.
    expected = {"examples", *DETAILED} - {"one_view_top1"}
    assert set(found) == expected >= {"loss", "top1", "top5", "calibration_error"}
    assert (found["examples"], found["top1"]) == (256, result["top1"])
    assert found["loss"] == pytest.approx(result["loss"], rel=1e-6)


def test_a_finished_run_is_evaluated_and_left_alone(trained):
    workdir, result = trained
    before = snapshot(workdir)
    assert call("train", SMOKE, f"--workdir={workdir}") == result
    assert snapshot(workdir) == before


def test_summary_counts_a_network_that_needs_no_data(tmp_path):
    summary = call("summary", "--config=configs/cifar10.py", f"--config.data.dir={tmp_path}")
    # Convolutions of ResNet-20 by hand: kernel, channels in, features, side of the output, times.
    convolutions = [(3, 3, 16, 32, 1), (3, 16, 16, 32, 6), (3, 16, 32, 16, 1), (3, 32, 32, 16, 5),
                    (3, 32, 64, 8, 1), (3, 64, 64, 8, 5)]  # fmt: skip
    macs = sum(k * k * c * f * side * side * times for k, c, f, side, times in convolutions)
    assert summary["parameters"] == 269_722
    assert summary["flops"] == 2 * (macs + 64 * 10)
    assert summary["layers"] == 20
    values = 269_722 * 2 + 2 * (7 * 16 + 6 * 32 + 6 * 64)  # parameters, momentum, statistics
    assert summary["state_bytes"] == 4 * values + 2 * 4  # and two counters


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--config.model.detph=3",), "did you mean 'model.depth'?"),
        (("--config.model.depth=x",), "config.model.depth='x' must be a whole number"),
        (("--config.model.depth", "--config.seed=1"), "write --config.model.depth=VALUE"),
        (("--confg=3",), "Did you mean: config"),
        (("--config.model.shortcut=E",), "unknown shortcut 'E'; valid: A, B, C, D, none"),
        (("--config.train.batch_size=30", "--config.train.accumulate=4"), "for example 32"),
        (("--config.data.source=tfds", "--config.data.classes=3"), "images of data set 'cifar10'"),
    ],
)
def test_a_mistake_gets_one_sentence_and_writes_nothing(tmp_path, flags, sentence):
    workdir = tmp_path / "run"
    config = "--config=configs/smoke.py"
    assert sentence in mistake("train", config, f"--workdir={workdir}", *flags)
    assert not workdir.exists()


def test_a_missing_configuration_is_named():
    assert "configs/nothing.py" in mistake("train", "--config=configs/nothing.py")


def test_a_batch_that_eight_devices_cannot_share(tmp_path):
    flags = (SMOKE, f"--workdir={tmp_path / 'run'}", "--config.train.batch_size=20")
    assert "a multiple of 8, for example 16" in error("main", *flags, devices=8)


def test_a_data_set_that_is_not_there(tmp_path):
    flags = ("--config=configs/cifar10.py", f"--config.data.dir={tmp_path}")
    sentence = mistake("train", *flags, f"--workdir={tmp_path / 'run'}")
    assert f"tfds build cifar10/3.0.2 --data_dir={tmp_path} --file_format=array_record" in sentence
    assert "162 MiB" in sentence
    assert not (tmp_path / "run").exists()


def test_a_workdir_of_another_configuration_is_left_alone(trained):
    workdir, _ = trained
    before = snapshot(workdir)
    sentence = mistake("train", SMOKE, f"--workdir={workdir}", "--config.seed=1")
    assert "seed was 0 and is 1" in sentence
    assert snapshot(workdir) == before


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    flags = (SMOKE, f"--workdir={tmp_path}", "--config.optim.rate=1e30")
    sentence = mistake("train", *flags)
    assert "became" in sentence and "lower optim.rate" in sentence
    for line in (tmp_path / "metrics.jsonl").read_text().splitlines():
        assert "NaN" not in line and "Infinity" not in line


@pytest.mark.slow
def test_a_damaged_checkpoint_falls_back_to_the_one_before(trained):
    workdir, result = trained
    newest = workdir / "checkpoints" / "16"
    largest = max((p for p in newest.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    again = run("main", SMOKE, f"--workdir={workdir}")
    assert again == result
    assert (workdir / "checkpoints" / "damaged" / "16").is_dir()


@pytest.mark.parametrize(
    ("flags", "workdir"),
    [
        (["--config=configs/cifar10.py"], "runs/cifar10"),
        (["--config", "configs/cifar10.py:depth=110,shortcut=C"],
         "runs/cifar10,depth=110,shortcut=C"),
        (["--config=configs/a.py", "--config.data.dir=x/y", "--config.seed", "1"],
         "runs/a,data.dir=x-y,seed=1"),
    ],
)  # fmt: skip
def test_runs_are_named_after_what_they_are(flags, workdir):
    values = FlagValues()
    config = shared_flags.Configuration(values)
    values(["train", *shared_flags.with_overrides(values, flags)])
    assert default_workdir(config.text, config.overrides) == workdir


@pytest.mark.parametrize(
    ("verb", "flags", "sentence"),
    [
        ("analyse", ("lesoin", "--workdir=x"), "unknown analysis 'lesoin' (did you mean 'lesion'?"),
        ("analyse", ("lesion", "--points=3", "--workdir=x"), "that takes it: landscape"),
        (
            "analyse",
            ("lesion", "--draws=0", "--workdir=x"),
            "--draws=0 must be a whole number from 1",
        ),
        ("analyse", ("lesion", "--seed=-1", "--workdir=x"), "in the range [0, 4294967295]"),
        ("evaluate", ("--batch_size=0", "--workdir=x"), "flag --batch_size=0: 0 is not a positive"),
        ("predict", ("--top=0", "x.png", "--workdir=x"), "flag --top=0: 0 is not a positive"),
        ("analyse", ("lesion", "--other=y", "--workdir=x"), "takes it: landscape, similarity"),
        ("compress", ("magnitude", "--kept=2", "--workdir=x"), "must be a number above 0"),
    ],
)
def test_a_mistake_in_a_study_is_found_before_anything_is_read(verb, flags, sentence):
    assert sentence in mistake(verb, *flags)


@pytest.mark.slow
def test_an_analysis_writes_into_the_runs_folder_and_its_page_shows_it(trained):
    workdir, _ = trained
    found = run("analyse", "receptive_field", f"--workdir={workdir}", "--examples=8")
    numbers = json.loads(Path(found["file"]).read_text())
    assert Path(found["file"]) == workdir / "analysis" / "receptive_field.json"
    # 3, then 2 x 2; 2 and 4; 4 and 8.
    sizes = {name: field["size"] for name, field in numbers["theoretical"].items()}
    assert sizes == {"stage1/block1": 7, "stage2/block1": 13, "stage3/block1": 25}
    page = Path(run("report", f"--workdir={workdir}")["file"]).read_text()
    assert numbers["summary"] in page and "<h3>receptive field</h3>" in page
