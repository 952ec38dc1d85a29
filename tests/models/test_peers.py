"""The same network and weights in PyTorch: tests/golden, and weights that others trained."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden.networks import NAMING, NETS
from golden.tensors import BATCH, CLASSES, LEARNING_RATE, digest, draw

from resnet_jax.data.sources.catalogue import tfds
from resnet_jax.models import create
from resnet_jax.models.building import resnet
from resnet_jax.weights import read_tensors, to_tensors, to_variables
from resnet_jax.weights.mapping import tensor_shapes

GOLDEN = Path(__file__).parents[1] / "golden"
MOMENTUM = 0.9


class Peer:
    """One golden file, and the same network and images here."""

    def __init__(self, name):
        with np.load(GOLDEN / f"{name}.npz") as arrays:
            self.golden = dict(arrays)
        self.model = resnet(**{**NETS[name], "classes": CLASSES})
        self.naming = next((NAMING[key] for key in NAMING if name.startswith(key)), "torchvision")
        self.sizes = [int(key[6:]) for key in self.golden if key.startswith("logits")]
        self.counts = dict(zip(self.golden["norms"], self.golden["counts"], strict=True))
        self.shapes = tensor_shapes(self.model, self.naming)
        self.tensors = {name: draw(name, shape) for name, shape in self.shapes.items()}
        self.variables = to_variables(self.model, self.tensors).variables

    def images(self, size):
        images = draw(f"images{size}", (BATCH, 3, size, size))
        return np.transpose(images, (0, 2, 3, 1)).astype(np.float32)

    def named(self, variables):
        """{name: tensor} as PyTorch has it, of a part of the variables."""
        return to_tensors(self.model, variables, self.naming)

    def updated(self):
        """What PyTorch has after a step: {name: tensor}."""
        shapes = [self.shapes[name] for name in self.golden["names"]]
        ends = np.cumsum([np.prod(shape) for shape in shapes])
        assert ends[-1] == len(self.golden["updated"])
        tensors = np.split(self.golden["updated"], ends[:-1])
        tensors = [tensor.reshape(shape) for tensor, shape in zip(tensors, shapes, strict=True)]
        return dict(zip(self.golden["names"], tensors, strict=True))

    def expected_and_digest(self):
        """What to compare: {name: array}, and the function that makes such of (name, tensor)."""
        if "updated" in self.golden:
            return self.updated(), lambda name, tensor: tensor
        return dict(zip(self.golden["names"], self.golden["digests"], strict=True)), digest


@pytest.fixture(scope="module", params=NETS)
def peer(request):
    return Peer(request.param)


def assert_close(actual, expected, name):
    message = f"{name}: see tests/golden/README.md for what this network alone can tell apart"
    scale = max(np.abs(expected).max(), 1e-2)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4 * scale, err_msg=message)


def test_every_tensor_of_pytorch_has_its_place(peer):
    assert sorted(peer.shapes) == list(peer.golden["names"])


def test_variables_and_tensors_are_the_same_numbers(peer):
    exported = peer.named(peer.variables)
    assert exported.keys() == peer.tensors.keys()
    for name, tensor in exported.items():
        np.testing.assert_array_equal(tensor, peer.tensors[name].astype(np.float32), name)


def moved(peer, state):
    """Running statistics after a step, by the names of PyTorch.

    It moves a running variance towards the unbiased one, this project towards the biased.
    """
    for name, after in peer.named(state).items():
        if name.endswith("running_var"):
            n = peer.counts[name.removesuffix(".running_var")]
            before = MOMENTUM * peer.tensors[name]
            after = before + (after - before) * n / (n - 1)
        yield name, after


def objective(peer):
    """The loss of training and the new statistics, as a function of the parameters."""
    x, labels = peer.images(peer.sizes[0]), jnp.arange(BATCH) % CLASSES

    def loss(params):
        variables = {**peer.variables, "params": params}
        logits, state = peer.model.apply(variables, x, train=True, mutable=["batch_stats"])
        return -jax.nn.log_softmax(logits)[jnp.arange(BATCH), labels].mean(), state

    return loss


# A backward pass takes five times as long to compile as a forward pass. JAX derives it, but for
# that of convolutions: these have such of every kind, in groups of channels and with standardised
# kernels too, and running statistics. The others are slow.
STEPPED = ("timm_senet", "timm_resnetv2_bit")

# Most of timm's differ from these in one row, which has tests of its own. The others are slow.
QUICK = [name for name in NETS if not name.startswith("timm_")] + [
    *STEPPED,
    "timm_res2net",
    "timm_resnest",
    "timm_sknet",
    "timm_nfnet",
    "timm_regnety",
]


@pytest.mark.parametrize(
    "peer",
    [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in NETS],
    indirect=True,
)
def test_logits_at_an_even_and_an_odd_size(peer):
    assert sorted(size % 2 for size in peer.sizes) == [0, 1]
    apply = jax.jit(partial(peer.model.apply, train=False))
    for size in peer.sizes:
        logits = apply(peer.variables, peer.images(size))
        assert_close(logits, peer.golden[f"logits{size}"], f"logits{size}")


@pytest.mark.parametrize(
    "peer",
    [pytest.param(name, marks=[pytest.mark.slow] * (name not in STEPPED)) for name in NETS],
    indirect=True,
)
def test_loss_and_statistics_and_parameters_after_one_step_of_sgd(peer):
    params = peer.variables["params"]
    step = jax.jit(jax.value_and_grad(objective(peer), has_aux=True))
    (loss, state), gradients = jax.device_get(step(params))
    assert_close(loss, peer.golden["loss"], "loss")
    expected, digest_of = peer.expected_and_digest()
    updated = jax.tree.map(lambda p, g: p - LEARNING_RATE * g, jax.device_get(params), gradients)
    for name, after in (*peer.named({"params": updated}).items(), *moved(peer, state)):
        assert_close(digest_of(name, after), expected[name], name)


@pytest.mark.peers
def test_pytorch_still_writes_these_numbers(tmp_path):
    pytest.importorskip("torch", reason="pip install -r requirements-peers.txt")
    pytest.importorskip("timm", reason="pip install -r requirements-peers.txt")
    for script in ("write_pytorch.py", "write_timm.py"):
        subprocess.run([sys.executable, GOLDEN / script, tmp_path], check=True)
    for name in NETS:
        with np.load(GOLDEN / f"{name}.npz") as golden, np.load(tmp_path / f"{name}.npz") as new:
            assert set(golden) == set(new)
            assert list(golden["names"]) == list(new["names"])
            for key in set(golden) - {"names", "norms", "counts"}:
                np.testing.assert_allclose(new[key], golden[key], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_released_weights_classify_all_test_images_of_cifar10(shared):
    """akamaster/pytorch_resnet_cifar10, ResNet-20: published error 8.27%."""
    tensors = read_tensors(shared / "weights/cifar_resnet20_akamaster.safetensors")
    model = create("cifar_resnet20_akamaster")
    variables = to_variables(model, tensors).variables

    images, labels = tfds(name="cifar10", dir=str(shared / "tensorflow_datasets")).load("test")
    mean = np.array([[[[0.485, 0.456, 0.406]]]], np.float32)
    deviation = np.array([[[[0.229, 0.224, 0.225]]]], np.float32)

    @jax.jit
    def correct(images, labels):
        x = (images / jnp.float32(255) - mean) / deviation
        return (model.apply(variables, x, train=False).argmax(-1) == labels).sum()

    batches = zip(np.split(images, 10), np.split(labels, 10), strict=True)
    assert sum(int(correct(*batch)) for batch in batches) == 9_173
