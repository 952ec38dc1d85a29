"""A run knows its classes and what it is, whatever becomes of its data and its files."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import folder_runs
import numpy as np
import photographs
import pytest
from command_line import call, mistake
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_jax.assembly import configuration, restored, run_folder
from resnet_jax.assembly.checking import check
from resnet_jax.assembly.lock import alone
from resnet_jax.tables import UserError


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> tuple[Path, dict]:
    place = tmp_path_factory.mktemp("identity")
    return place, folder_runs.train(place)


@pytest.fixture
def place(original, tmp_path) -> Path:
    """A copy of the run, and of its data in another place."""
    return shutil.copytree(original[0], tmp_path / "copy")


def train(place: Path, *changes: str) -> dict:
    config = folder_runs.write_config(place, place / "data")
    return call("train", ":".join([config, *changes]), f"--workdir={place / 'run'}")


def refused(place: Path, *changes: str) -> str:
    config = folder_runs.write_config(place, place / "data")
    return mistake("train", ":".join([config, *changes]), f"--workdir={place / 'run'}")


def evaluated(place: Path) -> dict:
    return call("evaluate", f"--workdir={place / 'run'}", f"--changes=data.dir={place / 'data'}")


def of_training(result: dict) -> dict:
    return {name: result[name] for name in ("top1", "examples")}


class TestClasses:
    """Labels of later data go by the names of the classes that the run began with."""

    @pytest.mark.parametrize("changed", ["train", "val", "both"])
    def test_a_folder_that_is_renamed_and_sorts_first(self, place, original, changed):
        """As ultralytics/ultralytics issue 13936 tells of classes that go by their order."""
        for split in ("train", "val") if changed == "both" else (changed,):
            (place / "data" / split / "bee").rename(place / "data" / split / "Abee")
        sentence = r"Abee is a class that the training set does not have (did you mean 'bee'?)"
        if changed == "train":
            assert of_training(evaluated(place)) == of_training(original[1])
        else:
            with pytest.raises(UserError) as error:
                evaluated(place)
            assert sentence in str(error.value)
        assert sentence in refused(place)

    def test_a_folder_that_is_added(self, place, original):
        for split in ("train", "val"):
            (place / "data" / split / "aardvark").mkdir()
        # No image has that class, but an empty folder is a mistake.
        assert "aardvark is a class that the training set does not have" in refused(place)
        (place / "data" / "val" / "aardvark").rmdir()
        assert of_training(evaluated(place)) == of_training(original[1])

    def test_a_folder_that_is_missing(self, place, original):
        shutil.rmtree(place / "data" / "train" / "ant")
        assert of_training(evaluated(place)) == of_training(original[1])
        assert "has 6 images and had 9 when the run" in refused(place)
        shutil.rmtree(place / "data" / "val" / "ant")
        assert evaluated(place)["examples"] == 4

    def test_other_training_images(self, place):
        """They would come in another order, so the run would not be the one that began."""
        image = place / "data" / "train" / "ant" / "ant_0.JPEG"
        image.with_name("ant_9.JPEG").write_bytes(image.read_bytes())
        assert "has 10 images and had 9 when the run" in refused(place)

    def test_a_file_of_labels_may_name_them(self, place, original):
        lines = []
        for folder in sorted((place / "data" / "val").iterdir(), reverse=True):
            for image in folder.iterdir():
                lines.append(f"{image.name} {folder.name}")
                image.rename(place / "data" / "val" / image.name)
            folder.rmdir()
        shutil.rmtree(place / "data" / "train")
        (place / "data" / "val.txt").write_text("\n".join(lines))
        assert of_training(evaluated(place)) == of_training(original[1])


class TestWithoutData:
    @pytest.fixture
    def run(self, place) -> Path:
        """A run that was begun with data that are no longer there."""
        config = json.loads((place / "run" / "config.json").read_text())
        config["data"]["dir"] = str(place / "gone")
        (place / "run" / "config.json").write_text(json.dumps(config))
        return place / "run"

    @pytest.mark.parametrize("lost", [None, "data.json"])
    def test_predict_knows_the_classes(self, run, place, lost):
        if lost:
            (run / lost).unlink()
        picture = place / "data" / "val" / "bee" / "bee_0.JPEG"
        (found,) = call("predict", f"--workdir={run}", str(picture))["predictions"]
        assert {guess["name"] for guess in found["top"]} == set(photographs.CLASSES)
        assert [photographs.CLASSES[guess["number"]] for guess in found["top"]] == [
            guess["name"] for guess in found["top"]
        ]

    def test_export_convert_and_report(self, run, tmp_path):
        call("export", str(tmp_path / "net.safetensors"), f"--workdir={run}")
        beside = json.loads((tmp_path / "net.safetensors.json").read_text())
        assert tuple(beside["classes"]) == photographs.CLASSES
        assert beside["image_shape"] == [16, 16, 3]
        call("convert", str(run), str(tmp_path / "converted.safetensors"))
        assert (tmp_path / "converted.safetensors").stat().st_size > 1_000
        page = Path(call("report", f"--workdir={run}")["file"]).read_text()
        assert "Not shown: there is no folder" in page and "Cost of a forward pass" in page

    def test_evaluate_says_what_is_missing(self, run):
        assert "there is no folder" in mistake("evaluate", f"--workdir={run}")


def test_weights_to_start_from_are_not_read_again(place):
    weights = place / "start.safetensors"
    call("export", str(weights), f"--workdir={place / 'run'}")
    shutil.rmtree(place / "run")
    began = train(place, f"init.weights={weights}")
    weights.unlink()
    assert train(place, f"init.weights={weights}") == began


DAMAGED = [b"", b"{", b"[]", b"null", b'"x"', b"NaN", b"[" * 999, b"\x80\xff", b'{"seed": 1}',
           b'{"model": 3}']  # fmt: skip


class TestLostFiles:
    """A run whose config.json is lost is still the run that its checkpoints are of."""

    def test_another_configuration_does_not_go_on(self, place):
        (place / "run" / "config.json").unlink()
        assert "another configuration (seed was 0 and is 1)" in refused(place, "seed=1")
        assert "optim.rate was 0.1 and is 0.2" in refused(place, "optim.rate=0.2")
        assert not (place / "run" / "config.json").exists()

    def test_the_same_goes_on_and_writes_it_again(self, place, original):
        before = json.loads((place / "run" / "config.json").read_text())
        for name in ("config.json", "data.json"):
            (place / "run" / name).unlink()
        assert of_training(train(place)) == of_training(original[1])
        after = json.loads((place / "run" / "config.json").read_text())
        assert {**after, "data": None} == {**before, "data": None}
        assert (place / "run" / "data.json").read_text() == (
            original[0] / "run" / "data.json"
        ).read_text()

    def test_checkpoints_that_say_nothing(self, place):
        """As those of versions before they knew their run."""
        (record,) = (place / "run" / "checkpoints").glob("*/checksum/metadata")
        record.write_text('{"crc32": 1}')
        (place / "run" / "config.json").unlink()
        assert "holds checkpoints and no config.json" in refused(place, "seed=1")

    @pytest.mark.parametrize("content", DAMAGED)
    def test_a_damaged_one(self, place, original, content):
        path = place / "run" / "config.json"
        before = path.read_bytes()
        path.write_bytes(content)
        sentence = mistake("evaluate", f"--workdir={place / 'run'}")
        assert "config.json is damaged" in sentence and "writes the file anew" in sentence
        assert "another configuration (seed was 0 and is 1)" in refused(place, "seed=1")
        assert path.read_bytes() == content
        run_folder.claim(
            place / "run",
            configuration.read(folder_runs.write_config(place, place / "data")[len("--config=") :]),
            run_folder.known(place / "run"),
        )
        assert json.loads(path.read_bytes()).keys() == json.loads(before).keys()

    @settings(max_examples=40, deadline=None, database=None)
    @given(data=st.data())
    def test_any_damage_of_it(self, original, tmp_path_factory, data):
        """It is read as it was, or refused in one sentence."""
        content = (original[0] / "run" / "config.json").read_bytes()
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, len(content)))
        folder = tmp_path_factory.mktemp("drawn")
        drawn = st.binary(max_size=8) | st.sampled_from([b"3", b"null", b"{}", b'"x": 1,'])
        (folder / "config.json").write_bytes(content[:start] + data.draw(drawn) + content[end:])
        try:
            check(run_folder.load(folder))
        except UserError as error:
            assert "\n" not in str(error)

    def test_another_verb_says_so(self, place):
        (place / "run" / "config.json").unlink()
        assert "holds no run (no config.json)" in mistake("evaluate", f"--workdir={place / 'run'}")


@pytest.mark.slow
def test_a_checkpoint_of_another_run_is_none_of_this_one(place, original, caplog):
    shutil.rmtree(place / "run")
    train(place, "seed=1")
    shutil.rmtree(place / "run" / "checkpoints")
    shutil.copytree(original[0] / "run" / "checkpoints", place / "run" / "checkpoints")
    assert "[2] are damaged" in mistake("evaluate", f"--workdir={place / 'run'}")
    assert "it is of another run: seed was 0 and is 1" in caplog.text


def test_other_classes_in_the_runs_folder_are_noticed(place, caplog):
    """A swap of two names would swap two predictions."""
    path = place / "run" / "data.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text()), "class_names": ["bee", "ant", "cat"]})
    )
    assert "[2] are damaged" in mistake("evaluate", f"--workdir={place / 'run'}")
    assert "its classes or images are others" in caplog.text


HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "a+")
fcntl.flock(file, fcntl.LOCK_EX)
file.write("process 12 on elsewhere")
file.flush()
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_process_does_not_train_and_a_dead_one_holds_nothing(place, original):
    """As torchtune's issue 481 and deepinv's issue 525 tell of two runs in one folder."""
    lock = place / "run" / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, lock], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        before = (place / "run" / "metrics.jsonl").stat().st_mtime_ns
        sentence = refused(place)
        assert f"process 12 on elsewhere trains the run in {place / 'run'} at this" in sentence
        assert (place / "run" / "metrics.jsonl").stat().st_mtime_ns == before
        # Who reads needs no lock.
        assert evaluated(place)["examples"] == 6
    finally:
        holder.kill()
        holder.communicate()
    assert of_training(train(place)) == of_training(original[1])
    assert lock.read_text() == ""


@pytest.mark.slow
def test_a_lock_may_be_waited_for(tmp_path):
    with alone([tmp_path / "run"]):
        code = (
            "import sys; from pathlib import Path; from resnet_jax.assembly.lock import alone\n"
            "with alone([Path(sys.argv[1])], wait=True): print('taken')"
        )
        waiting = subprocess.Popen(
            [sys.executable, "-c", code, tmp_path / "run"], stdout=subprocess.PIPE, text=True
        )
        while (found := (tmp_path / "run" / "lock").read_text()) == "":
            time.sleep(0.01)
        assert found.startswith("process ") and waiting.poll() is None
    assert waiting.communicate(timeout=60)[0] == "taken\n"


def test_what_a_checkpoint_holds_of_its_run(original):
    workdir = original[0] / "run"
    network = restored.load(workdir)
    assert network.assembly.source.class_names == photographs.CLASSES
    (path,) = (workdir / "checkpoints").glob("*/checksum/metadata")
    run = json.loads(path.read_text())["run"]
    assert run["data"] == {"class_names": ["ant", "bee", "cat"], "image_shape": [16, 16, 3],
                           "photographs": True, "examples": 9}  # fmt: skip
    assert run["config"]["seed"] == 0 and run["config"]["optim.rate"] == 0.1
    assert not any(key.startswith(("report.", "data.dir")) for key in run["config"])
    assert np.isfinite(network.variables["params"]["head"]["kernel"]).all()


def test_an_augmentation_that_is_off_is_as_one_that_is_not_named(tmp_path):
    flags = "configs/smoke.py:data.flip=False,train.steps=2,report.page=False"
    trained = call("train", f"--config={flags}", f"--workdir={tmp_path}")
    assert call("evaluate", f"--workdir={tmp_path}")["top1"] == trained["top1"]
    with pytest.raises(UserError, match="flip"):
        call("train", f"--config={flags.replace('False', 'True')}", f"--workdir={tmp_path}")
