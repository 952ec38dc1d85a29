"""A network scores its own test set alike, whichever way its pictures reach it."""

import json
from pathlib import Path

import numpy as np
import photographs
import pytest
import zoo
from jax import export
from PIL import Image
from scipy.special import log_softmax, softmax

from configs import imagenet
from resnet_jax.assembly import prediction, restored
from resnet_jax.data.sources.folder import open_folder
from resnet_jax.weights.artefacts import onnx, stablehlo

REDUCED = (
    "stage_depths=(1,),widths=(4,),stem_width=4,data.source=folder,data.workers=0,"
    "data.image_size=32,eval.batch_size=7,data.interpolation=bicubic"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photographs, odd files and small ones, in three classes."""
    place = tmp_path_factory.mktemp("pictures")
    for split in ("train", "validation"):
        photographs.write(place, split, each=2)
    for number, (name, (content, _)) in enumerate(zoo.PICTURES.items()):
        label = photographs.CLASSES[number % 3]
        (place / "validation" / label / f"{name}.png").write_bytes(content)
    return place


@pytest.fixture(
    scope="module",
    params=["centre", "mirrored", "mirrored,eval.average_logits=True"],
    ids=["centre", "probabilities", "logits"],
)
def network(request, folder):
    """A network with drawn weights whose logits differ from picture to picture."""
    config = imagenet.get_config(f"{REDUCED},data.eval_views={request.param}")
    config.data.dir = str(folder)
    return restored.start(config)


@pytest.fixture(scope="module")
def pictures(folder):
    examples = open_folder(folder, "validation", photographs.CLASSES)
    return [(examples.name(index), examples.read(index)[1]) for index in range(len(examples))]


def scores(logits, labels):
    """Loss and top-1."""
    losses = -log_softmax(np.asarray(logits, np.float64), axis=-1)[np.arange(len(labels)), labels]
    return losses.mean(), np.mean(np.argmax(logits, -1) == labels)


def as_described(path, description):
    """The views of a file, prepared with Pillow from what stands beside an export."""
    pixels = dict(zoo.PICTURES).get(path.rpartition("/")[2].removesuffix(".png"))
    image = Image.fromarray(pixels[1]) if pixels else Image.open(path).convert("RGB")
    height, width, _ = description["image_shape"]
    (short,) = description["short_sides"]
    least = min(image.size)
    size = tuple(int(short * side / least) for side in image.size)
    image = image.resize(size, Image.Resampling[description["interpolation"].upper()])
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    values = np.asarray(image.crop((left, top, left + width, top + height))) * description["scale"]
    values = ((values - description["mean"]) / description["std"]).astype(np.float32)
    return [values, values[:, ::-1]] if description["views"] == "mirrored" else [values]


def of_program(program, description, pictures):
    """The logits of the pictures, from a program that an export holds."""
    found = []
    for path, _ in pictures:
        logits = np.asarray(program(np.stack(as_described(path, description))))
        if description["average"] == "logits":
            found.append(logits.mean(axis=0))
        else:
            found.append(np.log(softmax(logits, axis=-1).mean(axis=0)))
    return np.stack(found)


def programs(network, shape):
    model, variables = network.assembly.model.clone(scan_blocks=False), network.scored_variables()
    artefact = export.deserialize(bytearray(stablehlo(model, variables, shape)))
    yield artefact.call
    try:
        import onnxruntime
    except ImportError:
        return
    session = onnxruntime.InferenceSession(onnx(model, variables, shape))
    yield lambda images: session.run(None, {"images": images})[0]


def test_every_path_gives_the_same_score(network, pictures):
    labels = np.array([label for _, label in pictures])
    expected = network.assembly.evaluation(network.variables)
    assert expected["examples"] == len(labels) > 25
    predictor = prediction.Predictor(prediction.without_data(network), 3, None)
    guesses = [predictor(path, Path(path)).guesses for path, _ in pictures]
    by_class = [[guess.probability for guess in sorted(found)] for found in guesses]
    assert np.ptp(np.array(by_class)[:, 0]) > 0.01, "the pictures must differ to the network"
    described = json.loads(json.dumps(network.assembly.inputs.preprocessing()))
    found = [np.log(by_class)]
    for program in programs(network, described["image_shape"]):
        found.append(of_program(program, described, pictures))
    for logits in found:
        loss, top1 = scores(logits, labels)
        assert top1 == pytest.approx(expected["top1"], abs=1e-6)
        assert loss == pytest.approx(expected["loss"], rel=1e-4)


def test_exports_tell_numbers_or_words_and_never_null(folder):
    config = imagenet.get_config(f"{REDUCED},data.eval_scales=(None,40)")
    config.data.dir = str(folder)
    said = restored.start(config).assembly.inputs.preprocessing()
    assert said["short_sides"] == ["its own, at least 32", 40]
    assert "null" not in json.dumps(said)
