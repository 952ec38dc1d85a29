"""Photographs of one's own: the held-out test set, and the two commands of a user."""

import re
import shutil
from pathlib import Path

import numpy as np
import photographs
import pytest
from command_line import call, mistake

from resnet_jax.analysis.studies import generalisation
from resnet_jax.assembly import restored
from resnet_jax.data.sources.catalogue import folder

TINY = ["--config.model.stage_depths=(1,)", "--config.model.widths=(4,)",
        "--config.model.stem_width=4", "--config.data.image_size=16",
        "--config.data.workers=0", "--config.train.batch_size=8", "--config.train.epochs=2",
        "--config.report.page=False", "--config.report.tensorboard=False"]  # fmt: skip


@pytest.fixture
def pictures(tmp_path):
    """Ten photographs of each of three classes, in folders without splits."""
    photographs.write(tmp_path, "pictures", each=10)
    return tmp_path / "pictures"


def parts(place, holdout=0.2):
    source = folder(dir=str(place), holdout=holdout)
    found = [source.load(split) for split in ("train", "validation")]
    return [{part.file(i): int(part.labels[i]) for i in range(len(part))} for part in found]


def test_a_share_of_every_class_is_held_out_and_nothing_stands_in_both(pictures):
    training, test = parts(pictures)
    assert np.bincount(list(test.values())).tolist() == [2, 2, 2]
    assert np.bincount(list(training.values())).tolist() == [8, 8, 8]
    assert not training.keys() & test.keys()
    assert all(photographs.CLASSES[label] == file.split("/")[0] for file, label in test.items())


def test_the_names_alone_decide(pictures, tmp_path):
    before = parts(pictures)
    copy = tmp_path / "elsewhere"
    shutil.copytree(pictures, copy)
    for number, path in enumerate(sorted(copy.rglob("*.JPEG"), reverse=True)):
        path.write_bytes(bytes([number]))
    assert parts(copy) == before
    # They are no block of the alphabet, whose neighbours are often alike.
    numbers = sorted(int(re.findall(r"\d+", file)[0]) for file in before[1])
    assert numbers not in ([0, 0, 0, 1, 1, 1], [8, 8, 8, 9, 9, 9])


def test_another_photograph_moves_at_most_one(pictures):
    _, before = parts(pictures)
    shutil.copy(pictures / "ant/ant_0.JPEG", pictures / "ant/one_more.JPEG")
    _, after = parts(pictures)
    assert len(before.keys() ^ after.keys()) <= 2
    assert all(file.startswith("ant/") for file in before.keys() ^ after.keys())


@pytest.mark.parametrize(("share", "expected"), [(0.001, 1), (0.5, 5), (0.999, 9)])
def test_a_class_keeps_one_on_either_side(pictures, share, expected):
    assert np.bincount(list(parts(pictures, share)[1].values())).tolist() == [expected] * 3


def test_a_user_trains_and_predicts_in_two_commands(pictures, tmp_path, capsys):
    for path in sorted((pictures / "cat").iterdir())[3:]:
        path.unlink()
    workdir = tmp_path / "run"
    flags = ["--config=photos", f"--config.data.dir={pictures}", *TINY, f"--workdir={workdir}"]
    result = call("train", *flags)
    assert result["examples"] == 2 + 2 + 1
    said = capsys.readouterr().out
    assert "18 photographs train and 5 test, of 3 classes: ant 10, bee 10, cat 3; ant has 3" in said
    guesses = call("predict", f"--workdir={workdir}", str(pictures / "cat"))["predictions"]
    assert len(guesses) == 3
    assert {one["name"] for one in guesses[0]["top"]} == set(photographs.CLASSES)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda place: [shutil.rmtree(place / name) for name in ("ant", "bee")],
         "has 1 class folder, and to tell classes apart takes two"),
        (lambda place: (place / "Ant").mkdir(), "class folders Ant and ant in"),
        (lambda place: (place / "dog").mkdir(), "dog holds no images"),
        (lambda place: [p.unlink() for p in sorted((place / "ant").iterdir())[1:]],
         "ant holds one photograph, and one of each class is held out"),
        (shutil.rmtree, "there is no folder"),
        # Two images in all, and one of two classes that is a file.
        (lambda place: [p.unlink() for name in photographs.CLASSES
                        for p in sorted((place / name).iterdir())[(name != "cat"):]],
         "holds no images"),
        (lambda place: [shutil.rmtree(place / "cat")] + [p.unlink() for name in ("ant", "bee")
                        for p in sorted((place / name).iterdir())[1:]],
         "ant holds one photograph, and one of each class is held out"),
        (lambda place: (shutil.rmtree(place / "ant"), shutil.rmtree(place / "bee"),
                        (place / "ant").write_bytes(b"")),
         "has 1 class folder, and to tell classes apart takes two"),
        (lambda place: [p.write_bytes(b"no image") for p in place.rglob("*.JPEG")],
         "images in a row can't be read, the last of them"),
    ],
)  # fmt: skip
def test_a_folder_that_is_none_of_class_folders(pictures, tmp_path, change, sentence):
    change(pictures)
    flags = ["--config=photos", f"--config.data.dir={pictures}", *TINY]
    assert sentence in mistake("train", *flags, f"--workdir={tmp_path / 'run'}")
    assert "in a row" in sentence or not (tmp_path / "run").exists()


def test_one_that_can_not_be_read_is_named_where_it_is_tested(pictures, tmp_path):
    """In training another photograph takes its place; a test set without it would be another."""
    _, test = parts(pictures)
    broken = pictures / next(iter(test))
    broken.write_bytes(broken.read_bytes()[:100])
    flags = ["--config=photos", f"--config.data.dir={pictures}", *TINY]
    sentence = mistake("train", *flags, f"--workdir={tmp_path / 'run'}")
    assert str(broken) in sentence


def test_a_folder_with_the_name_of_an_image_is_no_image(pictures):
    (pictures / "ant" / "more.jpg").mkdir()
    shutil.copy(pictures / "ant/ant_0.JPEG", pictures / "ant/more.jpg/ant_0.JPEG")
    training, test = parts(pictures)
    every = {*training, *test}
    assert "ant/more.jpg/ant_0.JPEG" in every and "ant/more.jpg" not in every


def test_the_worst_mistakes_have_the_names_of_their_files(pictures, tmp_path):
    flags = ["--config=photos", f"--config.data.dir={pictures}", *TINY]
    call("train", *flags, f"--workdir={tmp_path / 'run'}")
    found = restored.load(str(tmp_path / "run")).subject()
    worst = generalisation.study(found, examples=30, corrupted=0).numbers["most_wrong"]
    _, test = parts(pictures)
    named = {image["name"] for image in worst}
    assert named and named <= {str(pictures / file) for file in test}
    assert all(image["label"] == Path(image["name"]).parent.name for image in worst)


def test_without_a_folder():
    assert "needs data.dir; give a folder with a folder for each class" in mistake(
        "train", "--config=photos"
    )
