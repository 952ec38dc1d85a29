import logging
import os
import sys

import photographs
import pytest
from etils import epath
from etils.epath import backend

from resnet_jax.data.sources.catalogue import folder
from resnet_jax.data.sources.folder import class_names, open_folder
from resnet_jax.tables import UserError

NAMES = photographs.CLASSES


@pytest.fixture
def root(tmp_path):
    photographs.write(tmp_path, "train")
    return epath.Path(photographs.write(tmp_path, "val", each=2))


def flat(root, lines, file="val.txt"):
    """The validation split with its images in one folder."""
    for name in NAMES:
        for image in (root / "val" / name).iterdir():
            image.rename(root / "val" / image.name)
        (root / "val" / name).rmdir()
    (root / file).write_text("\n".join(lines))


def labels(examples):
    return [examples.read(index)[1] for index in range(len(examples))]


class TestFolders:
    def test_every_image_has_the_number_of_its_folder_among_the_sorted(self, root):
        source = folder(dir=str(root), image_size=24)
        assert source.class_names == NAMES and source.image_shape == (24, 24, 3)
        train = source.load("train")
        assert labels(train) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert train.name(4) == str(root / "train" / "bee" / "bee_1.JPEG")
        assert train.read(4)[0] == (root / "train" / "bee" / "bee_1.JPEG").read_bytes()

    def test_validation_may_be_called_val(self, root):
        source = folder(dir=str(root))
        assert len(source.load("validation")) == len(source.load("val")) == 6

    def test_set_that_lies_under_its_name(self, root):
        source = folder(name=root.name, dir=str(root.parent))
        assert labels(source.load("val")) == [0, 0, 1, 1, 2, 2]

    def test_split_with_some_of_the_classes_keeps_their_numbers(self, root):
        """As ImageNet-A and -R have them."""
        for image in (root / "val" / "ant").iterdir():
            image.unlink()
        (root / "val" / "ant").rmdir()
        assert labels(folder(dir=str(root)).load("val")) == [1, 1, 2, 2]

    def test_classes_of_a_set_without_training_images(self, root):
        assert class_names(root, ["missing", "val"]) == NAMES

    def test_images_below_a_class_folder_count_in_the_order_of_torchvision(self, root):
        """`sorted(os.walk(folder))`, and the names in each folder sorted: torchvision's order."""
        for place in ("b", "a/z", "a"):
            (root / "train" / "bee" / place).mkdir(parents=True, exist_ok=True)
            write = (root / "train" / "bee" / place / f"{place[-1]}.png").write_bytes
            write((root / "train" / "bee" / "bee_0.JPEG").read_bytes())
        train = folder(dir=str(root)).load("train")
        start = len(str(root / "train" / "bee")) + 1
        assert labels(train) == [0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2]
        assert [train.name(index)[start:] for index in range(3, 9)] == [
            "bee_0.JPEG", "bee_1.JPEG", "bee_2.JPEG", "a/a.png", "a/z/z.png", "b/b.png",
        ]  # fmt: skip
        assert train.read(7)[0] == (root / "train" / "bee" / "bee_0.JPEG").read_bytes()

    def test_a_class_may_have_its_images_below_it_alone(self, root):
        inner = root / "train" / "ant" / "inner"
        inner.mkdir()
        for image in list((root / "train" / "ant").glob("*.JPEG")):
            image.rename(inner / image.name)
        assert labels(folder(dir=str(root)).load("train")) == [0, 0, 0, 1, 1, 1, 2, 2, 2]

    @pytest.mark.parametrize("name", ["logo.png", "a b", "x.JPEG", "ünï"])
    def test_a_folder_of_any_name_is_a_class(self, root, name):
        for split in ("train", "val"):
            (root / split / "bee").rename(root / split / name)
        source = folder(dir=str(root))
        assert source.class_names == tuple(sorted(["ant", "cat", name]))
        assert len(source.load("train")) == 9

    def test_a_class_that_is_a_link_counts(self, root, tmp_path):
        """pathlib's walk takes a link to a folder for a file."""
        elsewhere = tmp_path / "elsewhere"
        (root / "train" / "bee").rename(elsewhere)
        os.symlink(elsewhere, root / "train" / "bee")
        os.symlink(elsewhere, root / "train" / "ant" / "more")
        source = folder(dir=str(root))
        assert source.class_names == NAMES
        assert labels(source.load("train")) == [0] * 6 + [1] * 3 + [2] * 3

    def test_images_beside_the_folders_of_classes_are_named(self, root, caplog):
        for name in ("one.png", "two.png"):
            (root / "train" / name).write_bytes(b"x")
        with caplog.at_level(logging.ERROR):
            assert len(folder(dir=str(root)).load("train")) == 9
        assert "one.png lies beside the folders of the classes" in caplog.text
        assert "1 others" in caplog.text

    def test_files_that_are_no_images_do_not_count(self, root):
        (root / "train" / "ant" / "Thumbs.db").write_bytes(b"x")
        (root / "train" / "ant" / ".hidden.JPEG").write_bytes(b"x")
        (root / "train" / ".cache").mkdir()
        assert len(folder(dir=str(root)).load("train")) == 9


class TestFlat:
    @pytest.mark.parametrize("file, form", [
        ("val.txt", "{image}.JPEG {name}"),
        ("val.txt", "{image}.JPEG {number}"),
        ("val.csv", "{image},{name} 10 20 30 40"),
    ])  # fmt: skip
    def test_labels_come_from_the_file_beside(self, root, file, form):
        lines = ["ImageId,PredictionString"] if file.endswith("csv") else []
        lines += [form.format(image=f"{name}_{i}", name=name, number=number)
                  for i in (1, 0) for number, name in enumerate(NAMES)]  # fmt: skip
        flat(root, lines, file)
        assert labels(open_folder(root, "val", NAMES)) == [0, 0, 1, 1, 2, 2]

    def test_no_labels_at_all(self, root):
        flat(root, [], "other.txt")
        with pytest.raises(UserError, match=r"no folder for each class and no .*val.txt beside"):
            open_folder(root, "val", NAMES)


class TestMistakes:
    def test_no_directory_is_told(self):
        with pytest.raises(UserError, match=r"needs data.dir; to get ImageNet, register"):
            folder()

    def test_missing_directory_says_how_to_get_imagenet(self, tmp_path):
        with pytest.raises(UserError) as error:
            folder(dir=str(tmp_path / "nowhere"))
        assert f"there is no folder {tmp_path / 'nowhere' / 'train'}" in str(error.value)
        assert "image-net.org" in str(error.value) and ":synthetic" in str(error.value)

    def test_missing_split(self, root):
        with pytest.raises(UserError, match=r"there is no folder .*/test;"):
            folder(dir=str(root)).load("test")

    def test_empty_class_folder(self, root):
        (root / "train" / "dog").mkdir()
        with pytest.raises(UserError, match="train/dog holds no images: unpack the class again"):
            folder(dir=str(root)).load("train")

    def test_class_that_training_does_not_have(self, root):
        (root / "val" / "bat").mkdir()
        with pytest.raises(UserError, match=r"val/bat is a class that the training set does not"):
            folder(dir=str(root)).load("val")

    def test_folder_of_nothing(self, root):
        (root / "empty").mkdir()
        with pytest.raises(UserError, match="empty holds no images and no folders"):
            open_folder(root, "empty", NAMES)

    def test_folder_that_may_not_be_read(self, root, monkeypatch):
        def refuse(path):
            raise PermissionError(13, "Permission denied", str(path))

        # The one who tests may be root, who may read everything.
        monkeypatch.setattr(os, "scandir", refuse)
        with pytest.raises(UserError, match=r"can't list .*train .*Permission denied.*the right"):
            folder(dir=str(root))


def test_a_path_whose_package_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    backend.fsspec_backend._get_filesystem.cache_clear()
    with pytest.raises(UserError, match="imagenet can't be opened: To use"):
        folder(dir="gs://sets/imagenet")


def test_a_bucket_is_a_folder_as_any_other(tmp_path):
    """gs:// goes through fsspec, here to a bucket that lies in memory."""
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    class Bucket(MemoryFileSystem):
        protocol = ("gcs", "gs")
        store, pseudo_dirs = {}, [""]

        @classmethod
        def _strip_protocol(cls, path):
            return "/" + path.removeprefix("gs://").strip("/")

    fsspec.register_implementation("gcs", Bucket, clobber=True)
    backend.fsspec_backend._get_filesystem.cache_clear()
    photographs.write(tmp_path, "train", each=2)
    bucket = fsspec.filesystem("gcs", finalize_on_close=True)
    for path in tmp_path.rglob("*.*"):
        bucket.pipe(f"gs://sets/imagenet/{path.relative_to(tmp_path)}", path.read_bytes())
    remote, local = epath.Path("gs://sets/imagenet"), epath.Path(tmp_path)
    names = class_names(remote, ["train"])
    assert names == class_names(local, ["train"])
    found, expected = (open_folder(root, "train", names) for root in (remote, local))
    assert len(found) == len(expected) > 0
    for index in range(len(found)):
        assert found.read(index) == expected.read(index)
    assert found.name(0).startswith("gs://sets/imagenet/train/")
