"""Labels of data whose classes stand in another order, or are others, than the network's."""

import numpy as np
import pytest

from resnet_jax.data.sources.catalogue import Source
from resnet_jax.data.sources.classes import renumbered, with_classes
from resnet_jax.data.sources.decoded import ImageSet
from resnet_jax.tables import UserError

SHAPE = (2, 2, 3)


class Encoded:
    """Three undecoded examples; the content of each is its number."""

    def __init__(self, *labels):
        self._labels = labels

    def __len__(self):
        return len(self._labels)

    def read(self, index):
        return bytes([index]), self._labels[index]

    def name(self, index):
        return f"image {index}"


def decoded(*labels):
    return ImageSet(np.zeros((len(labels), *SHAPE), np.uint8), np.array(labels, np.int32))


def labels(examples):
    if isinstance(examples, ImageSet):
        return examples.labels.tolist()
    return [examples.read(index)[1] for index in range(len(examples))]


@pytest.mark.parametrize("kind", [Encoded, decoded])
class TestRenumbered:
    def test_labels_go_by_the_names_of_their_classes(self, kind):
        examples = renumbered(kind(0, 1, 1, 2), ("bee", "cat", "ant"), ("ant", "bee", "cat", "dog"))
        assert labels(examples) == [1, 2, 2, 0] and len(labels(examples)) == 4

    def test_equal_classes_leave_the_examples_as_they_are(self, kind):
        examples = kind(0, 1)
        assert renumbered(examples, ["ant", "bee"], ("ant", "bee")) is examples

    def test_a_class_that_the_network_has_not(self, kind):
        said = r"'bees' is a class of the data .* the 2 that .* \(did you mean 'bee'\?\)"
        with pytest.raises(UserError, match=said):
            renumbered(kind(0), ("ant", "bees"), ("ant", "bee"))


def test_content_and_name_stay():
    examples = renumbered(Encoded(0, 1), ("bee", "ant"), ("ant", "bee"))
    assert examples.read(1) == (b"\x01", 0) and examples.name(1) == "image 1"


def test_a_source_whose_classes_are_known_is_opened_with_its_first_split():
    opened = []

    def open():
        opened.append(1)
        return Source((9, 9, 9), ("bee", "ant"), lambda split: decoded(0, 0, 1))

    source = with_classes(open, ("ant", "bee"), SHAPE, False)
    assert source.class_names == ("ant", "bee") and source.image_shape == SHAPE and not opened
    assert labels(source.load("train")) == labels(source.load("test")) == [1, 1, 0]
    assert opened == [1]
