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

    @pytest.mark.parametrize("lines, said", [
        (["ant_0.JPEG 3"], r"line 1 of .*val.txt gives ant_0.JPEG the class 3: .* 0 to 2"),
        (["ant_0.JPEG ant", "ant_1.JPEG wasp"], "line 2 of .*the class wasp"),
        (["ant_0.JPEG -1"], "the class -1"),
        (["ant_0.JPEG"], "line 1 of .* is not 'IMAGE CLASS'"),
        (["ant_0.JPEG ant"], "val.txt has no line for .*ant_1.JPEG"),
    ])  # fmt: skip
    def test_wrong_line_is_named(self, root, lines, said):
        flat(root, lines)
        with pytest.raises(UserError, match=said):
            open_folder(root, "val", NAMES)

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
        def refuse(self):
            raise PermissionError(13, "Permission denied")

        # The one who tests may be root, who may read everything.
        monkeypatch.setattr(type(root), "iterdir", refuse)
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
