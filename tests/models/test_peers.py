"""The same network and weights in PyTorch: tests/golden, and weights that others trained."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden.tensors import BATCH, CLASSES, LEARNING_RATE, draw

from resnet_jax.data.sources import tfds
from resnet_jax.models.zoo import resnet

GOLDEN = Path(__file__).parents[1] / "golden"
MOMENTUM = 0.9

SMALL = {"family": "cifar", "stage_depths": (1, 1, 1), "widths": (4, 8, 16), "stem_width": 4}
DEEPER = {**SMALL, "stage_depths": (2, 1, 1)}
NARROW = {**SMALL, "widths": (2, 4, 6), "stem_width": 2}
NETS = {
    "option_a_after": {**SMALL, "shortcut": "A", "shortcut_options": {"layout": "after"}},
    "option_a_both_sides": {**SMALL, "shortcut": "A", "shortcut_options": {"layout": "both_sides"}},
    "option_b": {**DEEPER, "shortcut": "B"},
    "full_preactivation": {**DEEPER, "shortcut": "B", "arrangement": "full_preactivation"},
    "bottleneck": {**NARROW, "shortcut": "B", "branch": "bottleneck"},
    "bottleneck_v1": {**NARROW, "shortcut": "B", "branch": "bottleneck_v1"},
    "imagenet": {
        "family": "imagenet",
        "stage_depths": (1, 2, 1, 1),
        "widths": (2, 3, 4, 5),
        "stem_width": 2,
        "branch": "bottleneck",
        "shortcut": "B",
    },
}

TENSORS = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}


def torch_name(path, head="fc", projection="downsample.0"):
    """('params', 'stage1', 'block1', 'conv1', 'kernel') -> 'layer1.0.conv1.weight'."""
    _, *modules, leaf = (key.key for key in path)
    name = ".".join(modules)
    name = re.sub(r"stage(\d+)\.block(\d+)", lambda m: f"layer{m[1]}.{int(m[2]) - 1}", name)
    # What opens a stage shares its first norm; in PyTorch it is the first block's.
    name = re.sub(r"stage(\d+)\.norm_shared", r"layer\1.0.bn1", name)
    outside = {"stem_conv": "conv1", "stem_norm": "bn1", "head_norm": "bn_last", "head": head}
    name = re.sub(r"\.norm(\d)", r".bn\1", outside.get(name, name))
    name = name.replace("projection_norm", "downsample.1").replace("projection", projection)
    return f"{name}.{TENSORS[leaf]}"


def torch_layout(array):
    """HWIO -> OIHW and [in, out] -> [out, in]; its own inverse for matrices."""
    return np.transpose(array, {4: (3, 2, 0, 1), 2: (1, 0)}.get(np.ndim(array)))


def flax_layout(array):
    return np.transpose(array, {4: (2, 3, 1, 0), 2: (1, 0)}.get(np.ndim(array)))


def variables_from(model, image_size, tensor_of, **naming):
    """The variables of `model`, each the tensor that `tensor_of` has for (name, shape)."""
    x = jnp.zeros((1, image_size, image_size, 3))
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=False))

    def tensor(path, leaf):
        shape = torch_layout(np.empty(leaf.shape)).shape
        return flax_layout(tensor_of(torch_name(path, **naming), shape)).astype(leaf.dtype)

    return jax.tree_util.tree_map_with_path(tensor, shapes)


class Peer:
    """One golden file, and the same network and images here."""

    def __init__(self, name):
        with np.load(GOLDEN / f"{name}.npz") as arrays:
            self.golden = dict(arrays)
        self.model = resnet(classes=CLASSES, **NETS[name])
        self.naming = {"projection": "downsample"} if name == "full_preactivation" else {}
        self.sizes = [int(key[6:]) for key in self.golden if key.startswith("logits")]
        self.counts = dict(zip(self.golden["norms"], self.golden["counts"], strict=True))

        self.shapes = {}

        def tensor_of(name, shape):
            self.shapes[name] = shape
            return draw(name, shape)

        self.variables = variables_from(self.model, self.sizes[0], tensor_of, **self.naming)

    def images(self, size):
        images = draw(f"images{size}", (BATCH, 3, size, size))
        return np.transpose(images, (0, 2, 3, 1)).astype(np.float32)

    def updated(self):
        """What PyTorch has after a step: {name: tensor}."""
        shapes = [self.shapes[name] for name in self.golden["names"]]
        ends = np.cumsum([np.prod(shape) for shape in shapes])
        assert ends[-1] == len(self.golden["updated"])
        tensors = np.split(self.golden["updated"], ends[:-1])
        tensors = [tensor.reshape(shape) for tensor, shape in zip(tensors, shapes, strict=True)]
        return dict(zip(self.golden["names"], tensors, strict=True))


@pytest.fixture(scope="module", params=NETS)
def peer(request):
    return Peer(request.param)


def assert_close(actual, expected, name):
    message = f"{name}: see tests/golden/README.md for what this network alone can tell apart"
    scale = max(np.abs(expected).max(), 1e-2)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4 * scale, err_msg=message)


def test_every_tensor_of_pytorch_has_its_place(peer):
    assert sorted(peer.shapes) == list(peer.golden["names"])


def test_logits_at_an_even_and_an_odd_size(quick_jit, peer):
    assert sorted(size % 2 for size in peer.sizes) == [0, 1]
    evaluate = quick_jit(lambda variables, x: peer.model.apply(variables, x, train=False))
    for size in peer.sizes:
        logits = evaluate(peer.variables, peer.images(size))
        assert_close(logits, peer.golden[f"logits{size}"], f"logits{size}")


def test_one_step_of_sgd(quick_jit, peer):
    x = peer.images(peer.sizes[0])
    labels = jnp.arange(BATCH) % CLASSES

    def loss(params):
        variables = {**peer.variables, "params": params}
        logits, state = peer.model.apply(variables, x, train=True, mutable=["batch_stats"])
        return -jax.nn.log_softmax(logits)[jnp.arange(BATCH), labels].mean(), state

    step = quick_jit(jax.value_and_grad(loss, has_aux=True))
    params = peer.variables["params"]
    (value, state), gradients = step(params)
    assert_close(value, peer.golden["loss"], "loss")

    expected = peer.updated()
    updated = jax.tree.map(lambda p, g: p - LEARNING_RATE * g, params, gradients)
    for path, after in jax.tree_util.tree_leaves_with_path({"params": updated}):
        name = torch_name(path, **peer.naming)
        assert_close(torch_layout(after), expected[name], name)

    for path, after in jax.tree_util.tree_leaves_with_path(state):
        name = torch_name(path)
        target = expected[name]
        if name.endswith("running_var"):
            # PyTorch moves towards the unbiased variance, this project towards the biased one.
            n = peer.counts[name.removesuffix(".running_var")]
            before = draw(name, after.shape)
            target = MOMENTUM * before + (target - MOMENTUM * before) * (n - 1) / n
        assert_close(after, target, name)


@pytest.mark.peers
def test_pytorch_still_writes_these_numbers(tmp_path):
    pytest.importorskip("torch", reason="pip install -r requirements-peers.txt")
    subprocess.run([sys.executable, GOLDEN / "write_pytorch.py", tmp_path], check=True)
    for name in NETS:
        with np.load(GOLDEN / f"{name}.npz") as golden, np.load(tmp_path / f"{name}.npz") as new:
            assert set(golden) == set(new)
            assert list(golden["names"]) == list(new["names"])
            for key in ("updated", "loss", *(key for key in golden if key.startswith("logits"))):
                np.testing.assert_allclose(new[key], golden[key], rtol=1e-5, atol=1e-6)


def read_safetensors(path):
    """Eight bytes of length, a JSON header of that length, and the numbers."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32"
        first, last = (start + offset for offset in entry["data_offsets"])
        numbers = np.frombuffer(content[first:last], "<f4")
        tensors[name.removeprefix("module.")] = numbers.reshape(entry["shape"])
    return tensors


def test_released_weights_classify_all_test_images_of_cifar10(shared):
    """akamaster/pytorch_resnet_cifar10, ResNet-20: published error 8.27%."""
    tensors = read_safetensors(shared / "weights/cifar_resnet20_akamaster.safetensors")
    model = resnet(
        family="cifar",
        classes=10,
        depth=20,
        shortcut="A",
        shortcut_options={"layout": "both_sides"},
    )

    def tensor_of(name, shape):
        tensor = tensors.pop(name)
        assert tensor.shape == shape
        return tensor

    variables = variables_from(model, 32, tensor_of, head="linear")
    assert not tensors

    images, labels = tfds(name="cifar10", dir=str(shared / "tensorflow_datasets")).load("test")
    mean = np.array([[[[0.485, 0.456, 0.406]]]], np.float32)
    deviation = np.array([[[[0.229, 0.224, 0.225]]]], np.float32)

    @jax.jit
    def correct(images, labels):
        x = (images / jnp.float32(255) - mean) / deviation
        return (model.apply(variables, x, train=False).argmax(-1) == labels).sum()

    batches = zip(np.split(images, 10), np.split(labels, 10), strict=True)
    assert sum(int(correct(*batch)) for batch in batches) == 9_173
