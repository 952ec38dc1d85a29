"""Decoded images come from the cache exactly when what they were decoded from is as it was."""

import numpy as np
import pytest

from resnet_jax.data.sources.decoded import ImageSet, keep_decoded


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Decoder:
    """Gives the number in a file as an image, and counts how often it is asked."""

    def __init__(self, file, number):
        self.file, self.calls = file, 0
        file.write_text(str(number))

    def __call__(self):
        self.calls += 1
        image = np.full((1, 2, 2, 3), int(self.file.read_text()), np.uint8)
        return ImageSet(image, np.array([7], np.int32))

    def value(self, name="set train"):
        images, labels = keep_decoded(name, [self.file], self)
        assert (images.shape, images.dtype, labels.dtype) == ((1, 2, 2, 3), np.uint8, np.int32)
        assert labels.tolist() == [7]
        return images.max()


@pytest.fixture
def decoder(tmp_path):
    return Decoder(tmp_path / "records", 5)


def test_the_second_time_nothing_is_decoded(decoder):
    assert [decoder.value(), decoder.value()] == [5, 5]
    assert decoder.calls == 1


def test_a_file_that_changed_is_decoded_again(decoder):
    decoder.value()
    decoder.file.write_text("16")
    assert decoder.value() == 16
    assert decoder.calls == 2


def test_each_split_is_decoded_for_itself(decoder):
    decoder.value("set train")
    decoder.value("set train[:10]")
    assert decoder.calls == 2


@pytest.mark.parametrize("damage", [lambda b: b[:50], lambda b: b"", lambda b: flipped(b)])
def test_a_damaged_copy_is_made_again(decoder, cache, damage):
    decoder.value()
    (copy,) = cache.rglob("*.npz")
    copy.write_bytes(damage(copy.read_bytes()))
    assert [decoder.value(), decoder.value()] == [5, 5]
    assert decoder.calls == 2


def flipped(content):
    """One pixel is another."""
    place = content.index(bytes([5] * 12))
    return content[:place] + bytes([6]) + content[place + 1 :]


def test_no_other_file_stays(decoder, cache):
    decoder.value()
    assert len([path for path in cache.rglob("*") if path.is_file()]) == 1
