"""Weights by name, from a hub on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import ROOT, call, environment, mistake
from golden.tensors import draw
from PIL import Image
from safetensors.numpy import save
from weights.hub_server import COMMIT, add, serving

from resnet_jax import models
from resnet_jax.tables import UserError
from resnet_jax.weights import hub
from resnet_jax.weights.mapping import tensor_shapes
from resnet_jax.weights.pretrained import released
from resnet_jax.weights.released import TAGS

NAME, REPOSITORY = "test_resnet", "timm/test_resnet.r160_in1k"


def content(name: str = NAME, classes: int = 7) -> bytes:
    shapes = tensor_shapes(models.create(name, classes=classes))
    return save({key: draw(key, shape).astype(np.float32) for key, shape in shapes.items()})


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """A function that asks a hub of this machine in a process of its own."""
    pytest.importorskip("huggingface_hub", reason="pip install -r requirements-hub.txt")
    folder = tmp_path_factory.mktemp("hub")
    weights = content()
    for repository in (REPOSITORY, "me/damaged", "me/half"):
        add(folder, repository, weights)
    add(folder, "me/other", content("cifar_resnet20_a"))
    add(folder, "me/pickled", b"", "pytorch_model.bin")

    def asking(*lines, home: Path, url: str | None = None, **settings: str) -> list[dict]:
        given = "".join(json.dumps([way, arguments, options]) + "\n"
                        for way, arguments, options in lines)  # fmt: skip
        kept = {key: value for key, value in environment().items() if not key.startswith("HF_")}
        paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        with serving(folder) as own:
            done = subprocess.run(
                [sys.executable, "tests/weights/ask_hub.py"],
                cwd=ROOT, input=given, capture_output=True, text=True,
                env={**kept, "PYTHONPATH": paths, "HF_HOME": str(home),
                     "HF_ENDPOINT": url or own, "HF_HUB_DISABLE_TELEMETRY": "1",
                     "HF_HUB_DISABLE_PROGRESS_BARS": "1", **settings},
            )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    asking.requests = lambda: (folder / "asked.txt").read_text().splitlines()
    return asking


def test_weights_come_by_name_and_are_asked_for_once(ask, tmp_path):
    address = f"hf://{REPOSITORY}"
    first, second, by_tag, new_head = ask(
        ("load", [NAME, address], {}),
        ("create", [NAME, True], {}),
        ("create", [NAME, "r160_in1k"], {}),
        ("create", [NAME, True], {"classes": 3}),
        home=tmp_path,
    )
    stem = draw("conv1.0.weight", (32 // 2, 3, 3, 3)).astype(np.float32)
    assert first["answer"]["stem"] == pytest.approx(stem.astype(np.float64).sum(), rel=1e-6)
    assert (first["answer"]["classes"], first["answer"]["head"][1]) == (7, 7)
    assert first["answer"]["preprocessing"] == {
        "layout": "NHWC", "short_sides": [50], "interpolation": "bicubic", "views": "centre",
        "image_shape": [48, 48, 3], "scale": 1 / 255, "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
    }  # fmt: skip
    size = f"{len(content()) / 1e6:,.1f} MB"
    assert f"downloading {address}: model.safetensors, {size}, from http://127" in first["said"]
    assert str(tmp_path) in first["said"]
    assert second["answer"] == by_tag["answer"] == first["answer"]
    assert second["said"] == by_tag["said"] == new_head["said"] == ""
    assert new_head["answer"]["head"][1] == 3 and new_head["answer"]["stem"] == stem.sum(
        dtype=np.float64
    ) == pytest.approx(first["answer"]["stem"])

    asked = len(ask.requests())
    (offline,) = ask(("load", [NAME, address], {}), home=tmp_path, HF_HUB_OFFLINE="1")
    assert offline["answer"] == first["answer"]
    assert len(ask.requests()) == asked


@pytest.mark.slow
def test_every_failure_is_one_sentence(ask, tmp_path):
    cases = {
        "me/no_such": "has no hf://me/no_such",
        "timm/test_resnet.r161": "; the nearest names: hf://timm/test_resnet.r160_in1k",
        "me/pickled": "me/pickled has no model.safetensors: choose a repository",
        f"{REPOSITORY}@v2": "has no revision 'v2'",
        "me/damaged": "was damaged and has been removed from the cache",
        "me/half": "hf://me/half can't be fetched",
        "me/other": "the file does not fit the network",
    }
    found = ask(*(("load", [NAME, f"hf://{place}"], {}) for place in cases), home=tmp_path)
    for (place, sentence), answer in zip(cases.items(), found, strict=True):
        assert sentence in answer["mistake"], place
        assert "\n" not in answer["mistake"] and len(answer["mistake"]) < 500
    # Nothing of what came damaged or by halves can be taken for the file.
    blobs = [path for path in tmp_path.rglob("*") if path.is_file() and "damaged" in str(path)]
    assert not [path for path in blobs if path.stat().st_size > 1_000]


@pytest.mark.slow
def test_without_a_network(ask, tmp_path):
    (unreachable,) = ask(
        ("load", [NAME, f"hf://{REPOSITORY}"], {}), home=tmp_path, url="http://127.0.0.1:9"
    )
    assert f"hf://{REPOSITORY} can't be fetched from http://127.0.0.1:9" in unreachable["mistake"]
    (offline,) = ask(("load", [NAME, f"hf://{REPOSITORY}"], {}), home=tmp_path, HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE forbids to fetch it" in offline["mistake"]


@pytest.mark.slow
def test_verbs_take_weights_by_name(ask, tmp_path):
    picture = tmp_path / "picture.png"
    Image.fromarray(np.full((60, 80, 3), 128, np.uint8)).save(picture)
    address = f"hf://{REPOSITORY}"
    tiny = (
        "configs/smoke.py:name=test_resnet,data.image_size=32,data.examples=8,train.batch_size=4,"
        "eval.batch_size=4,train.steps=1,report.page=False,report.tensorboard=False"
    )
    predicted, trained, converted = ask(
        ("verb", ["predict", str(picture), "--model=test_resnet", f"--weights={address}"], {}),
        ("verb", ["train", f"--config={tiny},init.weights={address}",
                  f"--workdir={tmp_path / 'run'}"], {}),
        ("verb", ["convert", address, str(tmp_path / "out.safetensors"), "--model=test_resnet"],
         {}),
        home=tmp_path / "home",
    )  # fmt: skip
    assert len(predicted["answer"]["predictions"][0]["top"]) == 5
    assert trained["answer"]["step"] == 1
    assert converted["answer"]["tensors"] > 10


def test_addresses():
    assert hub.address("hf://a/b") == ("a/b", "main", "model.safetensors")
    assert hub.address(f"hf://a/b.c@{COMMIT}/d/e.safetensors") == (
        "a/b.c", COMMIT, "d/e.safetensors",
    )  # fmt: skip
    assert str(hub.address("hf://a/b@v1/e.safetensors")) == "hf://a/b@v1/e.safetensors"
    for text in ("hf://resnet50", "hf://a/b/c.bin", "hf://a/b/c.pth"):
        with pytest.raises(UserError, match=r"hf://"):
            hub.address(text)


def test_every_network_with_released_weights_is_one_of_the_zoo():
    assert TAGS.keys() <= models.ROWS.keys()
    assert all(tags and len(set(tags)) == len(tags) for tags in TAGS.values())
    assert released("resnet50") == "hf://timm/resnet50.a1_in1k"
    assert released("resnetv2_50x1_bit", "goog_in21k") == "hf://timm/resnetv2_50x1_bit.goog_in21k"
    with pytest.raises(UserError, match=r"no 'a1_ink' for 'resnet50' \(did you mean 'a1_in1k'"):
        models.create("resnet50", pretrained="a1_ink")
    with pytest.raises(UserError, match="timm released no weights for 'plain18'"):
        models.create("plain18", pretrained=True)


def test_the_verb_lists_addresses():
    assert call("hub", "resnet14t") == {"weights": ["hf://timm/resnet14t.c3_in1k"]}
    assert len(call("hub", "resnetv2_*")["weights"]) > 20
    assert "did you mean 'resnet50'" in mistake("hub", "resnet500")
    assert "timm released no weights for 'plain34'" in mistake("hub", "plain34")


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"pip install 'resnet_jax\[hub\]'"):
        models.load("resnet18", "hf://timm/resnet18.a1_in1k")
