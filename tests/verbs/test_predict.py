"""What pictures go through, where a network looked, and the verb as a user runs it."""

import io
import json
import os
import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import photographs
import pytest
from command_line import call, mistake, run
from golden.tensors import draw
from PIL import Image

from configs import digits, imagenet_a3
from resnet_jax.analysis.explanation import occlusion, weighted_activations
from resnet_jax.analysis.overlay import overlaid
from resnet_jax.assembly import Assembly
from resnet_jax.assembly.prediction import Guess, Picture, read_names, table
from resnet_jax.data.images.pictures import picture_files, read_picture
from resnet_jax.data.images.views import views
from resnet_jax.data.sources.conventions import imagenet_classes
from resnet_jax.models import create
from resnet_jax.pages.contact_sheet import sheet
from resnet_jax.tables import Incomplete, UserError
from resnet_jax.weights import write_tensors
from resnet_jax.weights.mapping import tensor_shapes

FOUR = views(4, crop_ratio=1.0)


def png(array: np.ndarray, mode: str | None = None) -> io.BytesIO:
    out = io.BytesIO()
    opened = Image.fromarray(array)
    (opened.convert(mode) if mode else opened).save(out, "PNG")
    out.seek(0)
    return out


def halves(height: int, width: int) -> np.ndarray:
    """Red on the left, blue on the right."""
    array = np.zeros((height, width, 3), np.uint8)
    array[:, : width // 2, 0] = 255
    array[:, width // 2 :, 2] = 255
    return array


def test_the_centre_of_a_wide_picture_is_cut_out():
    found = read_picture(png(halves(256, 512)), views(224), (224, 224, 3))
    assert (found == halves(224, 224)).all()
    # Resized to 32 x 64, of which the middle 32 columns stay.
    (small,) = read_picture(png(halves(64, 128)), views(32, crop_ratio=1.0), (32, 32, 3))
    assert (small[:, :15] == [255, 0, 0]).all() and (small[:, 17:] == [0, 0, 255]).all()


@pytest.mark.parametrize("options", [{}, {"crop_ratio": 0.8, "kind": "ten"}])
def test_a_picture_is_cropped_as_evaluation_crops_it(options):
    array = np.random.default_rng(0).integers(0, 256, (90, 131, 3)).astype(np.uint8)
    for size in (40, 80):
        chosen = views(size, **options)
        found = read_picture(png(array), chosen, (size, size, 3))
        np.testing.assert_array_equal(found, chosen(array))


def test_a_network_of_oblong_images_sees_the_middle():
    array = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    (found,) = read_picture(png(array), views(20, crop_ratio=1.0), (12, 20, 3))
    np.testing.assert_array_equal(found, array[4:16, 5:25])


def test_preprocessing_tells_what_evaluation_does(tmp_path):
    photographs.write(tmp_path, "train", each=1)
    config = imagenet_a3.get_config("data.source=folder,data.eval_size=48,data.image_size=32")
    config.data.dir = str(tmp_path)
    found = Assembly(config).inputs.preprocessing()
    assert found["image_shape"] == [48, 48, 3]
    assert (found["short_sides"], found["interpolation"]) == ([50], "bicubic")
    assert found["views"] == "centre"


def test_a_picture_for_a_set_of_one_size_is_not_cropped():
    found = Assembly(digits.get_config()).inputs.preprocessing()
    assert (found["image_shape"], found["short_sides"]) == ([8, 8, 1], [8])


def test_files_folders_patterns_and_standard_input(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("a.png", "b/c.JPG", "b/d.jpeg"):
        Image.fromarray(halves(4, 4)).save(tmp_path / name, "JPEG")
    (tmp_path / "b" / "notes.txt").write_text("no picture")
    here, below = str(tmp_path / "a.png"), [str(tmp_path / "b/c.JPG"), str(tmp_path / "b/d.jpeg")]

    def names(*arguments, stdin=b""):
        return [name for name, _ in picture_files(list(arguments), io.BytesIO(stdin))]

    assert names(here) == [here]
    assert names(str(tmp_path / "b")) == below
    assert names(str(tmp_path / "*" / "*.j*")) == below[1:]
    assert names(here, "-", stdin="\n".join(below).encode()) == [here, *below]
    content = (tmp_path / "a.png").read_bytes()
    ((name, file),) = picture_files(["-"], io.BytesIO(content))
    assert name == "standard input" and read_picture(file, FOUR, (4, 4, 3)).shape[1:] == (4, 4, 3)
    for argument, sentence in (("none.png", "there is no picture"), ("*.gif", "no picture")):
        with pytest.raises(UserError, match=sentence):
            names(str(tmp_path / argument))
    with pytest.raises(UserError, match=r"notes.txt can't be read as a picture"):
        read_picture(tmp_path / "b" / "notes.txt", FOUR, (4, 4, 3))


def test_grad_cam_weights_channels_by_their_mean_gradient():
    activations = np.zeros((1, 2, 2, 2), np.float32)
    activations[0, 0, 0] = [1, 2]
    activations[0, 1, 1] = [3, 1]
    gradients = np.zeros_like(activations)
    gradients[0, :, :, 0] = 1.0
    gradients[0, 0, 0, 1] = -4.0  # its mean is -1
    found = weighted_activations(jnp.asarray(activations), jnp.asarray(gradients))
    assert found.tolist() == [[[0.0, 0.0], [0.0, 2.0]]]


def test_grad_cam_counts_all_streams_of_a_place():
    draw = np.random.default_rng(0)
    activations, gradients = draw.normal(size=(2, 1, 3, 4, 2, 5)).astype(np.float32)
    streams = [weighted_activations_before_the_relu(activations[..., n, :], gradients[..., n, :])
               for n in range(2)]  # fmt: skip
    found = weighted_activations(jnp.asarray(activations), jnp.asarray(gradients))
    np.testing.assert_allclose(found, np.maximum(sum(streams), 0), rtol=1e-5, atol=1e-6)


def weighted_activations_before_the_relu(activations, gradients):
    return (gradients.mean(axis=(1, 2), keepdims=True) * activations).sum(axis=-1)


def test_occlusion_finds_the_pixel_that_decides():
    image = np.ones((8, 8, 3), np.float32)
    found = occlusion(lambda images: images[:, 1, 6].mean(axis=-1), jnp.asarray(image), cells=7)
    # Squares of two pixels, one apart: the pixel's own loses 1 each time that it is covered.
    assert found[1, 6] == found.max() == 1.0
    assert np.abs(np.argwhere(found > 0) - [1, 6]).max() == 1
    assert found[1, 5] == found[0, 5] == 0.5


def test_a_map_is_blue_where_least_and_red_where_most():
    values = np.array([[0.0, 1.0]])
    found = overlaid(np.zeros((4, 40, 3), np.uint8), values)
    assert found[0, 0].argmax() == 2 and found[0, -1].argmax() == 0


def test_imagenet_has_its_thousand_names():
    names = imagenet_classes()
    assert len(names) == 1_000
    assert (names[0], names[207], names[999]) == ("tench", "golden retriever", "toilet tissue")


PICTURES = [
    Picture("a <b>.png", halves(8, 8), (Guess(1, "cat & dog", 0.75), Guess(0, "bird", 0.25))),
]


def test_table_and_sheet_show_every_guess():
    assert table(PICTURES).splitlines() == ["a <b>.png", "   75.00%  cat & dog", "   25.00%  bird"]
    page = sheet([PICTURES[0]._replace(maps={"grad-cam": np.eye(2)})], "step 1")
    assert "a &lt;b&gt;.png" in page and "cat &amp; dog" in page and "75.0%" in page
    assert page.count("data:image/png") == 2
    assert not re.search(r"(src|href)=\"(?!data:)", page) and "http" not in page


def test_a_network_with_no_weights_is_a_mistake(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(halves(8, 8)).getvalue())
    assert "--model=NAME goes with --weights=FILE" in mistake(
        "predict", str(path), "--model=resnet18"
    )


@pytest.mark.slow
def test_released_weights_know_pictures_of_cifar(shared, tmp_path):
    """The first four test images, of which the published network gets every class right."""
    from tensorflow_datasets import builder

    records = builder("cifar10", data_dir=shared / "tensorflow_datasets").as_data_source("test")
    names = builder("cifar10", data_dir=shared / "tensorflow_datasets").info.features["label"].names
    expected = {}
    for number in range(4):
        path = tmp_path / f"{number}.png"
        Image.fromarray(records[number]["image"]).save(path)
        expected[str(path)] = names[records[number]["label"]]
    weights = Path(shared) / "weights" / "cifar_resnet20_akamaster.safetensors"
    flags = ("--model=cifar_resnet20_akamaster", f"--weights={weights}", "--format=html",
             f"--out={tmp_path / 'out'}", "--explain", "--top=3")  # fmt: skip
    result = run("predict", str(tmp_path), *flags)
    found = {one["image"]: one["top"][0]["name"] for one in result["predictions"]}
    assert found == expected
    assert len(result["explanations"]) == 8
    assert all(Path(path).is_file() for path in result["explanations"])
    assert Path(result["sheet"]).read_text().count("<section>") == 4
    assert json.dumps(result)


@pytest.fixture(scope="module")
def drawn_weights(tmp_path_factory) -> list[str]:
    """Flags of a network whose weights are drawn."""
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    shapes = tensor_shapes(create("cifar_resnet20_akamaster"))
    write_tensors(path, {name: draw(name, shape).astype(np.float32)
                         for name, shape in shapes.items()}, {})  # fmt: skip
    return ["--model=cifar_resnet20_akamaster", f"--weights={path}", "--top=1"]


class TestOddFiles:
    """Some files of many are broken, or have names that are no text."""

    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "in").mkdir()
        for name in ("a.png", "c.png"):
            (tmp_path / "in" / name).write_bytes(png(halves(8, 8)).getvalue())
        return tmp_path / "in"

    def test_a_broken_one_is_named_and_the_others_are_answered(self, drawn_weights, folder, capsys):
        (folder / "b.png").write_bytes(png(halves(8, 8)).getvalue()[:40])
        with pytest.raises(Incomplete, match=r"1 of 3 pictures can't be read: .*b.png "):
            call("predict", str(folder), *drawn_weights)
        assert capsys.readouterr().out.count("%") == 2
        with pytest.raises(Incomplete) as error:
            call("predict", str(folder), *drawn_weights, "--format=json")
        assert [Path(one["image"]).name for one in error.value.result["predictions"]] == [
            "a.png", "c.png",
        ]  # fmt: skip
        assert list(error.value.result["unreadable"]) == [str(folder / "b.png")]

    def test_many_broken_ones_are_one_sentence(self, drawn_weights, folder):
        for number in range(5):
            (folder / f"{number}.png").write_bytes(b"x")
        sentence = mistake("predict", str(folder), *drawn_weights)
        assert "5 of 7 pictures can't be read" in sentence and "and 2 others" in sentence

    def test_a_broken_one_alone_is_its_own_sentence(self, drawn_weights, folder):
        (folder / "b.png").write_bytes(b"")
        assert "b.png can't be read as a picture (the file is empty)" in mistake(
            "predict", str(folder / "b.png"), *drawn_weights
        )

    @pytest.mark.slow
    @pytest.mark.parametrize("name", [b"\xff\xfe.png", b"a" * 245 + b".png", b"<b>&\n.png"])
    def test_names_that_are_no_text_or_long(self, drawn_weights, folder, tmp_path, name):
        path = os.path.join(os.fsencode(folder), name)
        with open(path, "wb") as file:
            file.write(png(halves(8, 8)).getvalue())
        result = run("predict", os.fsdecode(path), *drawn_weights, "--format=html", "--explain",
                     f"--out={tmp_path / 'out'}")  # fmt: skip
        assert os.fsencode(result["predictions"][0]["image"]) == path
        assert all(Path(found).is_file() for found in result["explanations"])
        page = Path(result["sheet"]).read_text()
        assert "&lt;b&gt;&amp;" in page or "\\udcff" in page or "a" * 245 in page


@pytest.mark.parametrize(("content", "said"), [(b"\xff", "it is no UTF-8"), (None, "Is a direct")])
def test_a_file_of_names_that_can_not_be_read(tmp_path, content, said):
    path = tmp_path / "names.txt"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_names(path)


def test_a_file_of_names_may_begin_with_a_mark(tmp_path):
    (tmp_path / "names.txt").write_bytes("\ufeffant\nbée\n".encode())
    assert read_names(tmp_path / "names.txt") == ("ant", "bée")
