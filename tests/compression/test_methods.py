"""Every method from a trained network to the figures of a smaller one."""

import zlib
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis import tiny
from safetensors.numpy import load

from resnet_jax.analysis.subject import Examples, Subject
from resnet_jax.compression import methods
from resnet_jax.data.resident import ImageSet, ResidentData

SHAPE = (4, 4, 3)


def test_every_method_has_its_test_here():
    lacking = [name for name in methods.METHODS if f"test_{name}" not in globals()]
    assert not lacking, f"run {lacking} from subject to figures here, in test_NAME"


def subject_of(model, seed: int = 0) -> Subject:
    draw = np.random.default_rng(7)
    test = Examples(draw.standard_normal((9, *SHAPE)).astype(np.float32),
                    draw.integers(0, 3, 9).astype(np.int32))  # fmt: skip

    def of_split(split: str, count: int | None) -> Examples:
        assert split == "test"
        return Examples(*(array[:count] for array in test))

    variables = tiny.variables_of(model, seed=1, shape=SHAPE)
    return Subject(model, variables, of_split, tiny.NAMES, SHAPE, tiny.MEAN, tiny.STD, seed)


@pytest.fixture(scope="module")
def data() -> ResidentData:
    draw = np.random.default_rng(0)
    images = ImageSet(draw.integers(0, 256, (32, *SHAPE)).astype(np.uint8),
                      draw.integers(0, 3, 32).astype(np.int32))  # fmt: skip
    return ResidentData(images, mean=tiny.MEAN, std=tiny.STD)


@pytest.fixture(scope="module")
def bare() -> Subject:
    """Without norms: stem, a block of 4 features and a head."""
    return subject_of(tiny.network(norm="none", stage_depths=(1,), widths=(4,)))


@pytest.fixture(scope="module")
def normed() -> Subject:
    return subject_of(tiny.network(stage_depths=(1,), widths=(4,)))


# Multiply-adds of one image, and values of a kernel, in every layer of `bare`.
KERNELS = {
    "stem_conv": (16, 9 * 3 * 4),
    "stage1/block1/conv1": (16, 9 * 4 * 4),
    "stage1/block1/conv2": (16, 9 * 4 * 4),
    "head": (1, 4 * 3),
}
BIASES = 3 * 4 + 3


def logits(network: methods.Smaller, images: np.ndarray) -> np.ndarray:
    return np.asarray(network.apply(network.variables, jnp.asarray(images)))


def checked_figures(network, subject, tmp_path, monkeypatch) -> dict:
    """The figures, after a comparison with what can be told of the logits and of the file."""
    # A pass takes 2 ms, but for the first that is timed.
    now = iter(np.cumsum([0.0, 0.5, 1.0] + [0.002, 1.0] * 100))
    monkeypatch.setattr(methods, "time", SimpleNamespace(perf_counter=lambda: next(now)))
    found = methods.figures(network, subject, 9, repeats=3)
    images, labels = subject.examples("test", None)
    said = logits(network, images)
    assert found["top1"] == pytest.approx((said.argmax(axis=1) == labels).mean())
    assert found["loss"] == pytest.approx(tiny.cross_entropies(said, labels).mean(), rel=1e-4)
    assert found["milliseconds"] == pytest.approx(2.0)
    assert (found["parameters"], found["flops"]) == (network.parameters, network.flops)
    methods.write(network, tmp_path / "new" / "network.safetensors")
    content = (tmp_path / "new" / "network.safetensors").read_bytes()
    assert found["bytes"] == len(content)
    assert found["packed_bytes"] == len(zlib.compress(content, 9))
    written = load(content)
    assert written.keys() == network.tensors.keys()
    for name, tensor in network.tensors.items():
        np.testing.assert_array_equal(written[name], tensor)
    header = 8 + int.from_bytes(content[:8], "little")
    assert len(content) == header + sum(tensor.nbytes for tensor in written.values())
    return found


def test_the_network_as_it_is(bare, tmp_path, monkeypatch):
    whole = methods.original(bare)
    found = checked_figures(whole, bare, tmp_path, monkeypatch)
    assert found["parameters"] == sum(size for _, size in KERNELS.values()) + BIASES
    assert found["flops"] == 2 * sum(places * size for places, size in KERNELS.values())
    assert len(whole.tensors) == 2 * len(KERNELS)
    np.testing.assert_array_equal(
        whole.tensors["params/stage1/block1/conv1/kernel"],
        bare.variables["params"]["stage1"]["block1"]["conv1"]["kernel"],
    )


def test_fold(normed, data, tmp_path, monkeypatch):
    found = methods.METHODS["fold"](normed, data)
    figures = checked_figures(found, normed, tmp_path, monkeypatch)
    images = normed.examples("test", None).images
    before = methods.original(normed)
    np.testing.assert_allclose(logits(found, images), logits(before, images), rtol=1e-3, atol=1e-4)
    # Of three norms, the scales go and the biases stay.
    assert figures["parameters"] == before.parameters - 3 * 4
    assert figures["flops"] == before.flops
    assert not any("norm" in name for name in found.tensors)


def test_magnitude(bare, data, tmp_path, monkeypatch):
    found = methods.METHODS["magnitude"](bare, data, kept=0.25, steps=2, rate=0.01)
    figures = checked_figures(found, bare, tmp_path, monkeypatch)
    before = methods.original(bare).tensors
    kernels = {name: np.asarray(before[f"params/{name}/kernel"]) for name in KERNELS}
    sizes = np.sort(np.concatenate([abs(kernel).ravel() for kernel in kernels.values()]))
    count = round(len(sizes) / 4)
    arithmetic = 0.0
    for name, kernel in kernels.items():
        kept = abs(kernel) >= sizes[-count]
        ours = np.asarray(found.tensors[f"params/{name}/kernel"])
        assert not ours[~kept].any() and ours[kept].all()
        # What is left has learned.
        assert (ours[kept] != kernel[kept]).any()
        np.testing.assert_allclose(ours[kept], kernel[kept], atol=0.1)
        places, size = KERNELS[name]
        arithmetic += 2 * places * size * kept.mean()
    assert figures["parameters"] == count + BIASES
    assert figures["flops"] == pytest.approx(arithmetic, abs=1)
    assert figures["packed_bytes"] < 0.6 * figures["bytes"]


def test_structured(bare, data, tmp_path, monkeypatch):
    found = methods.METHODS["structured"](bare, data, kept=0.5, steps=2, rate=0.01)
    figures = checked_figures(found, bare, tmp_path, monkeypatch)
    # Half of the features between a block's two convolutions.
    halves = {name: (places, size // 2 if "block" in name else size)
              for name, (places, size) in KERNELS.items()}  # fmt: skip
    biases = BIASES - 2
    assert figures["parameters"] == sum(size for _, size in halves.values()) + biases
    assert figures["flops"] == 2 * sum(places * size for places, size in halves.values())
    before = methods.original(bare).tensors
    kernel = np.asarray(before["params/stage1/block1/conv1/kernel"])
    largest = np.sort(np.argsort(abs(kernel).sum(axis=(0, 1, 2)))[2:])
    ours = np.asarray(found.tensors["params/stage1/block1/conv1/kernel"])
    np.testing.assert_allclose(ours, kernel[..., largest], atol=0.1)
    assert (ours != kernel[..., largest]).any()
    following = np.asarray(before["params/stage1/block1/conv2/kernel"])[:, :, largest]
    np.testing.assert_allclose(
        found.tensors["params/stage1/block1/conv2/kernel"], following, atol=0.1
    )


def test_distil(data, tmp_path, monkeypatch):
    """A student comes nearer to its teacher, whose network has more blocks."""
    teacher = subject_of(
        tiny.network(norm="none", stage_depths=(2,), widths=(4,), shortcut="A"), seed=3
    )
    distil = partial(methods.METHODS["distil"], teacher, data, temperature=2.0, share=1.0)
    found = distil(steps=60, rate=0.02)
    figures = checked_figures(found, teacher, tmp_path, monkeypatch)
    assert figures["parameters"] == 9 * 3 * 4 + 2 * 9 * 4 * 4 + 4 * 3 + 3 * 4 + 3
    batch = data.eval_batch(data.arrays, data.train_picks(0, 0, 32))
    taught = jax.nn.log_softmax(logits(methods.original(teacher), batch.images))

    def divergence(said: np.ndarray) -> float:
        return float((jnp.exp(taught) * (taught - jax.nn.log_softmax(said))).sum(axis=1).mean())

    knows_nothing = divergence(np.zeros((32, 3)))
    assert divergence(logits(found, batch.images)) < 0.3 * knows_nothing


def test_int8(normed, data, tmp_path, monkeypatch):
    pytest.importorskip("qwix")
    found = methods.METHODS["int8"](normed, data)
    figures = checked_figures(found, normed, tmp_path, monkeypatch)
    folded = methods.METHODS["fold"](normed, data)
    assert (figures["parameters"], figures["flops"]) == (folded.parameters, folded.flops)
    integers = sum(tensor.nbytes for tensor in found.tensors.values() if tensor.dtype == jnp.int8)
    assert integers == sum(tensor.size for name, tensor in folded.tensors.items()
                           if name.endswith("kernel"))  # fmt: skip
    images = normed.examples("test", None).images
    exact = logits(folded, images)
    assert 0 < abs(logits(found, images) - exact).max() < 0.05 * abs(exact).max()


def test_int8_aware(normed, data):
    """The integers are those of a network that has learned, not of the one before."""
    pytest.importorskip("qwix")
    found = methods.METHODS["int8_aware"](normed, data, steps=2, rate=0.1)
    plain = methods.METHODS["int8"](normed, data)
    assert found.tensors.keys() == plain.tensors.keys()
    assert (found.parameters, found.flops) == (plain.parameters, plain.flops)
    name = "stage1/block1/conv1/kernel"
    values, before = (np.int32(network.tensors[name]) for network in (found, plain))
    assert found.tensors[name].dtype == jnp.int8
    assert 0 < abs(values - before).max() < 30
