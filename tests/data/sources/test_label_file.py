"""A file of labels beside a folder of images, in the forms that such files have."""

import pytest

from resnet_jax.data.sources.label_file import read_labels
from resnet_jax.tables import UserError

IMAGES = ("a.png", "b.png", "c d.png")
CLASSES = ("ant", "great white shark", "it's", "n01")
RIGHT = {"a.png": 0, "b.png": 1, "c d.png": 3}


@pytest.fixture
def read(tmp_path):
    def read(content, classes=CLASSES, images=IMAGES, name="val.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_labels(path, images, classes)

    return read


@pytest.mark.parametrize("name, content", [
    ("val.txt", "a.png ant\nb.png great white shark\nc d.png n01\n"),
    ("val.txt", "a ant\nb great white shark\nc d n01"),
    ("val.txt", "a.png 0\nb.png 1\nc d.png 3"),
    ("val.txt", 'a.png "ant"\nb.png "great white shark"\n"c d.png" n01'),
    ("val.txt", "a.png\tant\nb.png\tgreat white shark\nc d.png\tn01\n"),
    ("val.txt", "\n a.png   ant 0.5 9\r\n\r\nb.png great white shark 1\r\nc d.png n01 7 8\r\n"),
    ("val.csv", "ImageId,PredictionString\nb,great white shark 1 2 3 4\na,ant 1 2\nc d,n01 1"),
    ("val.csv", 'image,class\na.png,ant\n"b.png","great white shark"\nc d.png , n01\n'),
    ("val.csv", "a.png,ant\nother.png,it's\nb.png,great white shark\nc d.png,n01\na.png,ant"),
    ("val.csv", "\ufeffa.png,ant\nb.png,great white shark\nc d.png,n01"),
])  # fmt: skip
def test_forms_that_say_the_same(read, name, content):
    assert read(content, name=name) == RIGHT


class TestNumbersOrNames:
    """Decided once for the whole file: never a number in one line and a name in the next."""

    def test_folders_that_are_numbers_in_the_order_of_their_values(self, read):
        assert read("a 2\nb 0", classes=("0", "1", "2"), images=("a", "b")) == {"a": 2, "b": 0}

    def test_names_that_are_no_valid_numbers_are_names(self, read):
        """Years, say; one of them alone would be a number too."""
        classes = ("1998", "2", "2004")
        assert read("a 2004\nb 2", classes=classes, images=("a", "b")) == {"a": 2, "b": 1}

    def test_numbers_that_are_no_names_are_numbers(self, read):
        assert read("a 0\nb 2", classes=("1", "2", "3"), images=("a", "b")) == {"a": 0, "b": 2}

    def test_both_are_possible(self, read):
        """'10' sorts before '2': as a name it is class 1, as a number class 10."""
        classes = tuple(sorted(map(str, range(12))))
        with pytest.raises(UserError, match="may mean names or numbers: 10 is the name of class 2"):
            read("a 10\nb 0", classes=classes, images=("a", "b"))

    def test_some_are_names_and_some_numbers(self, read):
        with pytest.raises(UserError, match="the name ant in line 1 and the number 2 in line 2"):
            read("a ant\nb 2", images=("a", "b"))


@pytest.mark.parametrize("content, said", [
    ("a.png 4", r"line 1 of .*val.txt gives a.png the class 4: .* 0 to 3"),
    ("a.png ant\nb.png wasp", "line 2 of .*the class wasp"),
    ("a.png ants", r"the class ants \(did you mean 'ant'\?\)"),
    ("a.png -1", "the class -1"),
    ("a.png 1.0", "the class 1.0"),
    ("a.png " + "9" * 5_000, "the class 999"),
    ("a.png", "line 1 of .* is not 'IMAGE CLASS'"),
    (",,\n,,", "line 1 of .* is not 'IMAGE CLASS'"),
    ("a.png ant\nb.png ant", "val.txt has no line for c d.png"),
    ("", "val.txt has no line for a.png"),
    ("a ant\nb ant\nc d ant\na.png n01", "gives a.png the class ant in line 1 and n01 in line 4"),
    ("a.png 0\nb.png 0\nc d.png 1\na.png 3", "the class 0 in line 1 and 3 in line 4"),
    ("a.png ant\nb.png gr\u00fcn".encode("latin-1"), "no UTF-8 text .line 2 has the byte 0xfc"),
    ("a.png ant\n".encode("utf-16"), "no UTF-8 text .line 1 has the byte 0xff.: save it as UTF-8"),
    (b'a.png "' + b"x" * 200_000, "line 1 of .* can't be read: field larger"),
])  # fmt: skip
def test_wrong_lines_are_named(read, content, said):
    with pytest.raises(UserError, match=said) as error:
        read(content)
    assert "\n" not in str(error.value)


def test_a_line_for_two_images_gives_both_its_class(read):
    """Without its ending a name may stand for several files."""
    assert read("a 2", images=("a.png", "a.jpg")) == {"a.png": 2, "a.jpg": 2}
    assert read("a 2\na.jpg 1", images=("a", "a.jpg")) == {"a": 2, "a.jpg": 1}


def test_a_folder_in_its_place(tmp_path):
    (tmp_path / "val.txt").mkdir()
    with pytest.raises(UserError, match=r"val.txt can't be read \(Is a directory"):
        read_labels(tmp_path / "val.txt", IMAGES, CLASSES)
