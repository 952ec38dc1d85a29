"""Odd files show the same pixels in training, evaluation, prediction and a prepared copy."""

import io
import logging

import numpy as np
import pytest
import zoo
from zoo import SIDE

from resnet_jax.data.chunks import EvalChunks, TrainChunks
from resnet_jax.data.images.crops import RandomCrop
from resnet_jax.data.images.encoded import UnreadableImage, decode
from resnet_jax.data.images.pictures import read_picture
from resnet_jax.data.images.views import views
from resnet_jax.data.order import EvalOrder
from resnet_jax.data.sources.preparing import Shrink
from resnet_jax.tables import UserError

WHOLE = views(SIDE, crop_ratio=1.0)


class Files:
    """Files in memory; see encoded.EncodedSet."""

    def __init__(self, contents):
        self._contents = list(contents)

    def __len__(self):
        return len(self._contents)

    def read(self, index):
        return self._contents[index], index

    def name(self, index):
        return f"file {index}"


@pytest.mark.parametrize("name", zoo.PICTURES)
def test_pixels_are_those_of_arithmetic(name):
    content, pixels = zoo.PICTURES[name]
    # Pillow divides by 255 in whole numbers.
    slack = 1 if "half" in name or name in ("inks", "pgm_10") else 0
    np.testing.assert_allclose(decode(content).astype(int), pixels, rtol=0, atol=slack)


def test_training_evaluation_and_prediction_see_the_same():
    contents = [content for content, _ in zoo.PICTURES.values()]
    files, rows = Files(contents), range(len(contents))
    whole_image = RandomCrop((1.0, 1.0), (1.0, 1.0))
    training = TrainChunks(files, whole_image, 0, len(files), (rows,), lambda _: SIDE)(0)
    evaluation = EvalChunks(files, WHOLE, EvalOrder.of(len(files), len(files), 1), (rows,))(0)
    assert training.unreadable == evaluation.unreadable == ()
    for row, label in enumerate(training.labels):
        np.testing.assert_array_equal(training.images[row], decode(contents[label]))
    for row, content in enumerate(contents):
        np.testing.assert_array_equal(evaluation.images[row, 0], decode(content))
        predicted = read_picture(io.BytesIO(content), WHOLE, (SIDE, SIDE, 3))
        np.testing.assert_array_equal(predicted[0], decode(content))


@pytest.mark.parametrize("name", zoo.PICTURES)
def test_a_prepared_copy_shows_the_same(name):
    content, _ = zoo.PICTURES[name]
    shrink = Shrink(max_side=400, quality=100)
    assert shrink(content) == shrink(zoo.saved(decode(content), "PNG"))


@pytest.mark.parametrize("mode", zoo.WITHOUT_MEANING)
def test_a_mode_without_a_meaning_is_refused_by_its_name(mode):
    content = zoo.WITHOUT_MEANING[mode]
    with pytest.raises(UnreadableImage, match=f"mode {mode}, which does not say what is black"):
        decode(content)
    with pytest.raises(UserError, match=f"odd.tif can't be read .*mode {mode}"):
        read_picture(io.BytesIO(content), WHOLE, (SIDE, SIDE, 3), name="odd.tif")


def test_three_levels_of_grey_that_clamping_makes_one():
    """As in python-pillow/Pillow issue 2574 and pytorch/vision issue 2218."""
    levels = (10_000, 30_000, 50_000)
    contents = [zoo.wide_png(0, np.full((SIDE, SIDE), level)) for level in levels]
    assert [int(decode(content).max()) for content in contents] == [39, 117, 195]


def test_a_rotation_is_told_and_applied_on_request(caplog):
    """As asked for in kohya-ss/sd-scripts issue 1316."""
    content, _ = zoo.PICTURES["exif"]
    with caplog.at_level(logging.ERROR):
        read_picture(io.BytesIO(content), WHOLE, (SIDE, SIDE, 3), name="phone.jpg")
    assert "phone.jpg is shown to the network as it is stored" in caplog.text
    caplog.clear()
    found = read_picture(io.BytesIO(content), WHOLE, (SIDE, SIDE, 3), upright=True)
    # 6: the stored picture is to be turned by a quarter, clockwise.
    np.testing.assert_array_equal(found[0], np.rot90(zoo.COLOUR, -1))
    plain, _ = zoo.PICTURES["alpha"]
    read_picture(io.BytesIO(plain), WHOLE, (SIDE, SIDE, 3))
    assert not caplog.text


def test_a_network_of_grey_images_sees_the_luma():
    content = zoo.saved(zoo.COLOUR, "PNG")
    found = read_picture(io.BytesIO(content), WHOLE, (SIDE, SIDE, 1))
    luma = zoo.COLOUR @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(found[0, ..., 0], luma, rtol=0, atol=1)
    grey, _ = zoo.PICTURES["grey"]
    found = read_picture(io.BytesIO(grey), WHOLE, (SIDE, SIDE, 1))
    np.testing.assert_array_equal(found[0, ..., 0], zoo.GREY)
