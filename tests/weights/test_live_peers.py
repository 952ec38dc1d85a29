"""Whole networks of torchvision and timm beside the same ones here, weights and all."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from resnet_jax.models import create, names
from resnet_jax.weights import read_tensors, to_tensors, to_variables, write_tensors
from resnet_jax.weights.naming import naming_of

pytestmark = pytest.mark.peers

COUNTS = json.loads((Path(__file__).parents[1] / "golden" / "parameter_counts.json").read_text())
# Every network of these files of timm's.
WHOLE_FAMILIES = [
    name
    for pattern in ("legacy_se*", "nf_*", "regnet[xy]_???*", "res2ne*", "resnest*", "skres*")
    for name in names(pattern)
]
LARGE = 100_000_000  # parameters, from which on a network is slow
NETWORKS = {
    "torchvision": (
        "resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2",
        "regnet_x_400mf", "regnet_y_400mf",
    ),
    "timm": (
        "resnet10t", "resnet18d", "resnet50c", "resnet50s", "resnext50d_32x4d", "resnet50_gn",
        "seresnet18", "seresnext26t_32x4d", "ecaresnetlight", "resnetblur18", "resnetaa34d",
        "seresnetaa50d", "resnetrs50", "test_resnet", "resnetv2_18d", "resnetv2_50",
        "resnetv2_50t", "resnetv2_50d_gn", "resnetv2_50d_evos", "resnetv2_50d_frn",
        "resnetv2_50x1_bit",
        *WHOLE_FAMILIES,
    ),
}  # fmt: skip


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


def peer(package, name):
    """The peer's network in evaluation, with random weights and statistics."""
    torch = pytest.importorskip("torch", reason="pip install -r requirements-peers.txt")
    library = pytest.importorskip(package, reason="pip install -r requirements-peers.txt")
    torch.manual_seed(0)
    build = library.create_model if package == "timm" else getattr(library.models, name)
    net = build(name) if package == "timm" else build()
    for key, tensor in net.state_dict().items():
        if key.endswith(("running_var", "gain")) or (key.endswith("weight") and tensor.ndim == 1):
            tensor.uniform_(0.5, 1.5)
        elif key.endswith(("running_mean", "bias")):
            tensor.normal_(0, 0.1)
    return net.eval()


@pytest.mark.parametrize(
    ("package", "name"),
    [
        pytest.param(package, name, marks=[pytest.mark.slow] * (COUNTS[package][name] > LARGE))
        for package in NETWORKS
        for name in NETWORKS[package]
    ],
)
def test_logits_and_the_way_back(package, name, tmp_path, float64):
    """In float64, since random weights make deep networks badly conditioned."""
    torch = pytest.importorskip("torch", reason="pip install -r requirements-peers.txt")
    net, path = peer(package, name), tmp_path / "weights.pth"
    torch.save(net.state_dict(), path)
    tensors = read_tensors(path)
    model = create(name, dtype="float64")
    net.double()
    variables = to_variables(model, tensors).variables
    evaluate = jax.jit(lambda variables, x: model.apply(variables, x, train=False))
    for size in (64, 65):
        images = np.random.default_rng(size).normal(size=(2, 3, size, size))
        with torch.no_grad():
            expected = net(torch.from_numpy(images)).numpy()
        logits = evaluate(variables, images.transpose(0, 2, 3, 1))
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())

    exported = tmp_path / "back.safetensors"
    write_tensors(exported, to_tensors(model, variables, naming_of(tensors)), {})
    back = read_tensors(exported)
    net.load_state_dict(
        {key: torch.from_numpy(tensor) for key, tensor in back.items()}, strict=True
    )
    assert back.keys() == tensors.keys()
    for key, tensor in net.state_dict().items():
        if key in tensors:
            np.testing.assert_array_equal(tensor.numpy(), tensors[key], key)
