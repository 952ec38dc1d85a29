import json
import zlib

import numpy as np
import photographs
import pytest

from resnet_jax.data.photographs import streamed
from resnet_jax.data.sources.catalogue import SOURCES, digits, synthetic, tfds
from resnet_jax.tables import UserError


def checksum(image_set):
    return zlib.crc32(image_set.labels.tobytes(), zlib.crc32(image_set.images.tobytes()))


@pytest.fixture(scope="module")
def cifar10(shared):
    return tfds("cifar10", str(shared / "tensorflow_datasets"))


class TestDigits:
    def test_four_fifths_of_all_1797_train(self):
        train, test = digits().load("train"), digits().load("test")
        assert (len(train.labels), len(test.labels)) == (1437, 360)
        assert train.images.shape == (1437, *digits().image_shape)

    def test_split_is_stratified(self):
        train, test = (np.bincount(digits().load(split).labels) for split in ("train", "test"))
        assert len(train) == len(test) == len(digits().class_names)
        np.testing.assert_allclose(test, (train + test) / 5, atol=1)

    def test_no_image_is_in_both_splits(self):
        train, test = (
            {image.tobytes() for image in digits().load(split).images}
            for split in ("train", "test")
        )
        assert len(train) + len(test) == 1797
        assert not train & test

    def test_images_span_the_range_of_bytes(self):
        image_set = digits().load("train")
        assert (image_set.images.dtype, image_set.labels.dtype) == (np.uint8, np.int32)
        # 17 grey levels, evenly spread over 0-255.
        np.testing.assert_array_equal(
            np.unique(image_set.images), np.round(np.arange(17) * 255 / 16)
        )

    @pytest.mark.parametrize("split, expected", [("train", 327905153), ("test", 3992007543)])
    def test_split_is_fixed(self, split, expected):
        assert checksum(digits().load(split)) == expected, (
            "other images or labels than before: reported accuracies no longer compare; find out"
            " what changed the draw, and only then change the number here"
        )

    def test_unknown_split_names_the_valid_ones(self):
        with pytest.raises(UserError, match="no split 'valid'; valid: train, test"):
            digits().load("valid")


class TestSynthetic:
    def test_a_split_is_the_same_each_time(self):
        first, second = (synthetic(8, 4, 20).load("train") for _ in range(2))
        np.testing.assert_array_equal(first.images, second.images)
        np.testing.assert_array_equal(first.labels, second.labels)

    def test_splits_hold_different_images(self):
        source = synthetic(8, 4, 20)
        train, test = ({i.tobytes() for i in source.load(s).images} for s in ("train", "test"))
        assert len(train) == len(test) == 20
        assert not train & test

    def test_options_are_what_they_say(self):
        source = synthetic(image_size=6, classes=3, examples=10)
        image_set = source.load("train")
        assert image_set.images.shape == (10, *source.image_shape) == (10, 6, 6, 3)
        assert image_set.images.dtype == np.uint8
        assert sorted(np.bincount(image_set.labels)) == [3, 3, 4]
        assert len(source.class_names) == 3

    def test_training_means_classify_the_test_split(self):
        """So there is something to learn, and it carries over."""
        source = synthetic(8, 4, 80)
        train, test = source.load("train"), source.load("test")
        means = np.stack([train.images[train.labels == label].mean(0) for label in range(4)])
        distances = ((test.images[:, None] - means[None]) ** 2).sum((2, 3, 4))
        assert (distances.argmin(1) == test.labels).mean() > 0.95


class TestTFDS:
    def test_reads_all_of_a_split(self, cifar10):
        image_set = cifar10.load("test")
        assert image_set.images.shape == (10_000, 32, 32, 3)
        assert (image_set.images.dtype, image_set.labels.dtype) == (np.uint8, np.int32)
        np.testing.assert_array_equal(np.bincount(image_set.labels), [1_000] * 10)
        # The pixel mean of CIFAR-10's test images, as published with many a training code.
        np.testing.assert_allclose(
            image_set.images.mean((0, 1, 2)) / 255, [0.4942, 0.4851, 0.4504], atol=1e-4
        )

    def test_reads_slices(self, cifar10):
        head, more = cifar10.load("test[:100]"), cifar10.load("test[50:150]")
        assert len(head.labels) == len(more.labels) == 100
        np.testing.assert_array_equal(head.images[50:], more.images[:50])

    @pytest.mark.parametrize(
        "split, said",
        [
            ("valid", "no split 'valid'; valid: train, test"),
            ("test[20000:]", "test has 10000"),
            ("test[:ten]", "slice a split as in"),
        ],
    )
    def test_split_that_is_not_there(self, cifar10, split, said):
        with pytest.raises(UserError, match=said):
            cifar10.load(split)

    def test_shape_and_classes_are_known_without_images(self, tmp_path):
        source = tfds("cifar100", str(tmp_path))
        assert source.image_shape == (32, 32, 3)
        assert len(source.class_names) == 100

    def test_set_that_is_not_prepared_names_the_command(self, tmp_path, monkeypatch):
        monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
        with pytest.raises(UserError) as error:
            tfds("cifar100").load("train")
        command = f"tfds build cifar100/3.0.2 --data_dir={tmp_path} --file_format=array_record"
        assert command in str(error.value)
        assert "not prepared" in str(error.value)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "name, said",
        [
            ("cifar11", "knows no data set 'cifar11'.*set data.name"),
            ("cifar10:9.9.9", "no such version.*'cifar10:9.9.9'.*data.name"),
            ("celeb_a", "'image' and 'label' are needed: set data.name"),
        ],
    )
    def test_name_that_can_not_be_had(self, tmp_path, name, said):
        with pytest.raises(UserError, match=said):
            tfds(name, str(tmp_path))


@pytest.fixture(scope="module")
def photographs_of_tfds(tmp_path_factory):
    """A data set of TensorFlow Datasets whose images have shapes of their own, as ImageNet's."""
    from array_record.python.array_record_module import ArrayRecordWriter
    from tensorflow_datasets.proto import tf_example_pb2

    root = tmp_path_factory.mktemp("tfds")
    files = sorted(photographs.write(root, "files").rglob("*.JPEG"))
    place = root / "pets" / "1.0.0"
    place.mkdir(parents=True)
    writer = ArrayRecordWriter(
        str(place / "pets-train.array_record-00000-of-00001"), "group_size:1"
    )
    for number, path in enumerate(files):
        example = tf_example_pb2.Example()
        example.features.feature["image"].bytes_list.value.append(path.read_bytes())
        example.features.feature["label"].int64_list.value.append(number // 3)
        writer.write(example.SerializeToString())
    writer.close()
    kinds = "tensorflow_datasets.core.features"
    image = {
        "pythonClassName": f"{kinds}.image_feature.Image",
        "image": {"dtype": "uint8", "shape": {"dimensions": ["-1", "-1", "3"]},
                  "encodingFormat": "jpeg"},
    }  # fmt: skip
    label = {
        "pythonClassName": f"{kinds}.class_label_feature.ClassLabel",
        "classLabel": {"numClasses": "3"},
    }
    features = {
        "pythonClassName": f"{kinds}.features_dict.FeaturesDict",
        "featuresDict": {"features": {"image": image, "label": label}},
    }
    split = {"name": "train", "shardLengths": [str(len(files))], "numBytes": "1",
             "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"}  # fmt: skip
    info = {"name": "pets", "version": "1.0.0", "fileFormat": "array_record", "splits": [split]}
    (place / "features.json").write_text(json.dumps(features))
    (place / "dataset_info.json").write_text(json.dumps(info))
    (place / "label.labels.txt").write_text("\n".join(photographs.CLASSES))
    return root, files


def test_photographs_of_tfds_stay_undecoded_and_stream(photographs_of_tfds):
    root, files = photographs_of_tfds
    source = tfds("pets", str(root), image_size=24)
    assert source.image_shape == (24, 24, 3) and source.class_names == photographs.CLASSES
    found = source.load("train")
    contents = [found.read(index) for index in range(len(found))]
    assert contents == [(path.read_bytes(), number // 3) for number, path in enumerate(files)]
    assert len(source.load("train[3:5]")) == 2

    one, two = (
        streamed(source.load("train"), image_size=24, steps=2, mean=(0,) * 3, std=(1,) * 3,
                 workers=workers).train_picks(0, 1, 8)
        for workers in (0, 2)
    )  # fmt: skip
    np.testing.assert_array_equal(one.images, two.images)
    assert len({tuple(image.ravel()) for image in one.images}) == 8


def test_unknown_source_names_the_nearest():
    with pytest.raises(UserError, match=r"'digit' \(did you mean 'digits'\?\); valid: digits, "):
        SOURCES.choose("digit")


def test_option_of_another_source_is_refused():
    with pytest.raises(UserError, match=r"'digits' takes no image_size.*synthetic"):
        SOURCES.choose({"name": "digits", "image_size": 8})
