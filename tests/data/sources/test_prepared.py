import io
import shutil

import numpy as np
import photographs
import pytest
from command_line import run
from PIL import Image

from resnet_jax.data.images.encoded import decode
from resnet_jax.data.sources import prepared as prepared_copy
from resnet_jax.data.sources import preparing
from resnet_jax.data.sources.catalogue import folder, prepared
from resnet_jax.data.sources.prepared import Prepared
from resnet_jax.tables import UserError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = photographs.write(tmp_path_factory.mktemp("photographs"), "train")
    return photographs.write(root, "val", each=2)


@pytest.fixture(scope="module")
def copy(root, tmp_path_factory):
    """Its long sides have 32 pixels at most."""
    out = tmp_path_factory.mktemp("copies") / "small"
    result = run("prepare", str(root), str(out), "--max_side=32", "--quality=80")
    assert result == {"examples": {"train": 9, "validation": 6}, "folder": str(out)}
    return out


def test_copy_has_the_same_images_smaller_in_the_same_order(root, copy):
    before, after = folder(dir=str(root)), prepared(dir=str(copy), image_size=16)
    assert after.class_names == before.class_names and after.image_shape == (16, 16, 3)
    for split in ("train", "validation"):
        old, new = before.load(split), after.load(split)
        assert len(old) == len(new)
        for index in range(len(old)):
            (large, label), (small, same_label) = old.read(index), new.read(index)
            assert label == same_label
            image, reference = decode(small), Image.open(io.BytesIO(large))
            assert max(image.shape) == min(32, max(reference.size))
            resized = reference.resize(image.shape[1::-1], Image.Resampling.BICUBIC)
            difference = np.abs(image.astype(int) - np.asarray(resized))
            assert difference.mean() < 12  # half the colours, quality 80


def test_examples_may_lie_in_several_files(root, tmp_path, monkeypatch):
    monkeypatch.setattr(prepared_copy, "EXAMPLES_A_FILE", 4)
    monkeypatch.setattr(preparing, "EXAMPLES_A_FILE", 4)
    examples = folder(dir=str(root)).load("train")
    preparing.write(examples, tmp_path, "train", bytes, workers=2)
    assert len(list(tmp_path.glob("train-*-of-00003.array_record"))) == 3
    copy = Prepared(tmp_path, "train", 9)
    assert [copy.read(index) for index in range(9)] == [examples.read(index) for index in range(9)]


def test_image_that_is_small_enough_stays_as_it_is():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    file = io.BytesIO()
    image.save(file, "jpeg", quality=50)
    assert preparing.Shrink(40, 95)(file.getvalue()) == file.getvalue()
    assert len(preparing.Shrink(20, 95)(file.getvalue())) < len(file.getvalue())


def test_folder_without_a_copy(tmp_path):
    with pytest.raises(UserError, match=r"no prepared.json.*resnet_jax prepare SOURCE"):
        prepared(dir=str(tmp_path))


def test_split_that_was_not_copied(copy):
    with pytest.raises(UserError, match="no split 'test'; valid: train, validation"):
        prepared(dir=str(copy)).load("test")


def small(folder_, out, split="train"):
    return preparing.copy(
        folder(dir=str(folder_)), [split], out, max_side=32, quality=80, workers=2
    )


def test_copy_is_not_written_over(root, copy):
    with pytest.raises(UserError, match="holds a prepared copy already"):
        small(root, copy)


def test_damaged_image_is_named(tmp_path):
    photographs.write(tmp_path, "train")
    path = tmp_path / "train" / "bee" / "bee_1.JPEG"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=r"bee_1.JPEG can't be read"):
        small(tmp_path, tmp_path / "out")
    # What was not finished is no copy.
    with pytest.raises(UserError, match="holds no prepared copy"):
        prepared(dir=str(tmp_path / "out"))


class TestDamage:
    """A copy that lost some of its bytes is named when it is opened, or record by record."""

    @pytest.fixture
    def damaged(self, copy, tmp_path):
        return shutil.copytree(copy, tmp_path / "copy")

    @pytest.mark.parametrize("kept", [0, 10, 60_000, -5, None])
    def test_a_file_that_is_cut_or_missing(self, damaged, kept):
        (file,) = damaged.glob("train-*")
        content = file.read_bytes()
        file.unlink()
        if kept is not None:
            file.write_bytes(content[:kept])
        with pytest.raises(UserError, match=r"copy/train is damaged \(.+\): prepare") as error:
            prepared(dir=str(damaged)).load("train")
        assert "\n" not in str(error.value)
        assert len(prepared(dir=str(damaged)).load("validation")) == 6

    def test_a_folder_or_another_file_in_its_place(self, damaged):
        (file,) = damaged.glob("train-*")
        file.write_bytes(bytes(100_000))
        with pytest.raises(UserError, match="copy/train is damaged"):
            prepared(dir=str(damaged)).load("train")
        file.unlink()
        file.mkdir()
        with pytest.raises(UserError, match="copy/train is damaged"):
            prepared(dir=str(damaged)).load("train")

    def test_a_damaged_record_is_an_image_that_can_not_be_read(self, damaged):
        (file,) = damaged.glob("train-*")
        content = bytearray(file.read_bytes())
        content[200] ^= 255
        file.write_bytes(content)
        examples, broken = prepared(dir=str(damaged)).load("train"), 0
        for index in range(len(examples)):
            try:
                decode(examples.read(index)[0])
            except OSError as error:
                broken += "hash mismatch" in error.strerror
        assert broken == 1

    @pytest.mark.parametrize("content", [
        "", "[]", "{", "null", '{"examples": 3}',
        '{"class_names": ["a"], "examples": {"train": "x"}}',
        '{"class_names": 3, "examples": {"train": 9}}', b"\xff",
    ])  # fmt: skip
    def test_facts_that_say_nothing(self, damaged, content):
        path = damaged / "prepared.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(UserError, match=r"prepared\.json is damaged \(.+\): prepare"):
            prepared(dir=str(damaged))

    def test_another_number_of_records(self, damaged):
        path = damaged / "prepared.json"
        path.write_text(path.read_text().replace('"train": 9', '"train": 90'))
        with pytest.raises(UserError, match=r"have 9 records and prepared\.json says 90"):
            prepared(dir=str(damaged)).load("train")
