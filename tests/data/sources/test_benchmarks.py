"""Other test sets in made-up folders: whose labels count, and which predictions are allowed."""

import json
import shutil

import numpy as np
import photographs
import pytest

from resnet_jax.data.changes.corruptions import CORRUPTIONS, SEVERITIES
from resnet_jax.data.sources.benchmarks import TrainingData, open_benchmarks
from resnet_jax.data.sources.folder import open_folder
from resnet_jax.tables import UserError

CLASSES = photographs.CLASSES


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Class folders of ant, bee and cat in validation, and the sets beside it."""
    folder = tmp_path_factory.mktemp("sets")
    photographs.write(folder, "validation", each=2)
    for number, path in enumerate(sorted((folder / "validation").rglob("*.JPEG")), 1):
        path.rename(path.with_name(f"ILSVRC2012_val_{number:08}.JPEG"))
    photographs.write(folder, "sketch", each=1, seed=1)
    photographs.write(folder, "numbered", each=1, seed=2)
    for label, name in enumerate(CLASSES):
        (folder / "numbered" / name).rename(folder / "numbered" / str(label))
    photographs.write(folder, "a", each=2, seed=3)
    shutil.rmtree(folder / "a" / "bee")
    return folder


@pytest.fixture(scope="module")
def trained(root):
    return TrainingData(CLASSES, open_folder(root, "validation", CLASSES), "")


def labels(benchmark):
    examples = benchmark.examples
    return [examples.read(index)[1] for index in range(len(examples))]


def test_a_folder_of_class_folders(root, trained):
    (found,) = open_benchmarks({"imagenet_sketch": str(root / "sketch")}, trained)
    assert labels(found) == [0, 1, 2] and found.classes is None and found.answers is None


def test_folders_called_by_numbers_as_imagenet_v2_has_them(root, trained):
    (found,) = open_benchmarks({"imagenet_v2": str(root / "numbered")}, trained)
    assert labels(found) == [0, 1, 2]
    assert "numbered/1/" in found.examples.name(1)


@pytest.mark.parametrize("name", ["imagenet_a", "imagenet_r"])
def test_a_subset_restricts_predictions_to_its_classes(root, trained, name):
    (found,) = open_benchmarks({name: str(root / "a")}, trained)
    np.testing.assert_array_equal(found.classes, [0, 2])
    assert labels(found) == [0, 0, 1, 1]


def test_corruptions_are_75_parts(root, trained):
    for corruption in CORRUPTIONS:
        for severity in SEVERITIES:
            place = root / "c" / corruption / str(severity)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(root / "sketch")
    found = open_benchmarks({"imagenet_c": str(root / "c")}, trained)
    assert len(found) == 75
    assert found[6].name == "imagenet_c:shot_noise:2"
    assert labels(found[6]) == [0, 1, 2]


def test_real_labels_follow_the_names_of_the_files(root, trained, tmp_path):
    """Images 1 to 6 are ant, ant, bee, bee, cat, cat; the third and the last have no label."""
    path = tmp_path / "real.json"
    path.write_text(json.dumps([[0], [0, 2], [], [1], [0, 2], []]))
    (found,) = open_benchmarks({"imagenet_real": str(path)}, trained)
    right = [np.flatnonzero(found.answers[label]).tolist() for label in labels(found)]
    assert right == [[0], [0, 2], [1], [0, 2]]
    assert found.examples.name(2).endswith("ILSVRC2012_val_00000004.JPEG")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[0]]", "a number that"),
        ("[[], [], [], [], [], []]", "no label of these images"),
        ("[[9], [9], [9], [9], [9], [9]]", "none of the network's 3 classes"),
        ("no json", "can't be read"),
    ],
)
def test_labels_that_do_not_fit(root, trained, tmp_path, content, message):
    path = tmp_path / "real.json"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        open_benchmarks({"imagenet_real": str(path)}, trained)


def test_sets_that_are_not_there(root, trained):
    with pytest.raises(UserError, match=r"'imagenet_v3' \(did you mean 'imagenet_v2'\?\); valid"):
        open_benchmarks({"imagenet_v3": ""}, trained)
    with pytest.raises(UserError, match=r"there is no folder .*nowhere"):
        open_benchmarks({"imagenet_a": str(root / "nowhere")}, trained)
    (root / "other" / "dog").mkdir(parents=True)
    with pytest.raises(UserError, match="dog is a class"):
        open_benchmarks({"imagenet_r": str(root / "other")}, trained)
