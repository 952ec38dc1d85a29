"""Files of weights: what is read, what is refused, and that nothing is written by halves."""

import json
import os
import stat
import struct
import sys

import numpy as np
import pytest

from resnet_jax.tables import UserError
from resnet_jax.weights import read_tensors, write_tensors

TENSORS = {
    "module.fc.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "fc.bias": np.array([1.5, -2], np.float64),
    "bn1.num_batches_tracked": np.array(7),
}


def refused(path, message):
    with pytest.raises(UserError, match=message) as error:
        read_tensors(path)
    assert "\n" not in str(error.value)


def test_what_was_written_is_read_without_prefix_and_counters(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, TENSORS, {"model": "resnet18"})
    tensors = read_tensors(path)
    assert set(tensors) == {"fc.weight", "fc.bias"}
    np.testing.assert_array_equal(tensors["fc.weight"], TENSORS["module.fc.weight"])
    assert tensors["fc.bias"].dtype == np.float64
    assert os.listdir(tmp_path) == ["a.safetensors"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_none_is_named(tmp_path, value):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"layer1.0.bn1.weight": np.array([1, value], np.float32)}, {})
    refused(path, r"tensor 'layer1\.0\.bn1\.weight' holds a NaN or an infinity")


@pytest.mark.parametrize("kind", ["int8", "uint8", "int64", "bool", "complex64"])
def test_weights_that_are_no_real_numbers_are_named(tmp_path, kind):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {**TENSORS, "conv1.weight": np.ones((2, 2), kind)}, {})
    refused(path, rf"tensor 'conv1\.weight' holds {kind} and no real numbers")


@pytest.mark.parametrize(("kind", "size"), [("BF16", 2), ("F16", 2), ("F8_E4M3", 1)])
def test_weights_of_few_bits_are_read_or_refused_in_one_sentence(tmp_path, kind, size):
    path = tmp_path / "a.safetensors"
    header = json.dumps({"a": {"dtype": kind, "shape": [3], "data_offsets": [0, 3 * size]}})
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(3 * size))
    if size == 1:
        refused(path, "numbers of a type that can't be read .*float8.*store them as float32")
    else:
        np.testing.assert_array_equal(read_tensors(path)["a"], np.zeros(3, np.float32))


@pytest.mark.parametrize("length", [0, 5, 60, -1])
def test_a_truncated_file_is_refused(tmp_path, length):
    path = tmp_path / "a.safetensors"
    write_tensors(path, TENSORS, {})
    path.write_bytes(path.read_bytes()[:length])
    refused(path, "is truncated or no safetensors file")


def test_other_files_are_refused(tmp_path):
    refused(tmp_path / "none.safetensors", "there is no file of weights")
    path = tmp_path / "weights.h5"
    path.touch()
    refused(path, r"ends in '\.h5': give a file of weights that ends in \.safetensors, \.pth")


def test_a_pytorch_file_needs_pytorch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "weights.pth"
    path.touch()
    refused(path, "needs PyTorch: `pip install torch`")


def test_a_file_that_can_not_be_written_leaves_nothing_behind(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"end in \.safetensors"):
        write_tensors(tmp_path / "a.pth", TENSORS, {})
    with pytest.raises(UserError, match="can't write"):
        write_tensors(tmp_path / "nowhere" / "a.safetensors", TENSORS, {})
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(UserError, match=r"can't write .* \(disk full\)"):
        write_tensors(tmp_path / "a.safetensors", TENSORS, {})
    assert not os.listdir(tmp_path)


class Malicious:
    """Unpickled by an unsafe loader it makes a folder."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.peers
def test_a_pickle_that_would_run_code_runs_none(tmp_path):
    torch = pytest.importorskip("torch", reason="pip install -r requirements-peers.txt")
    path, folder = tmp_path / "evil.pth", tmp_path / "ran"
    torch.save({"conv1.weight": torch.ones(1), "evil": Malicious(folder)}, path)
    refused(path, "could run code and was not loaded")
    assert not folder.exists()


@pytest.mark.peers
def test_a_pytorch_file_is_read_and_a_truncated_one_refused(tmp_path, shared):
    pytest.importorskip("torch", reason="pip install -r requirements-peers.txt")
    released = shared / "weights/resnet20-12fca82f.th"
    tensors = read_tensors(released)
    same = read_tensors(shared / "weights/cifar_resnet20_akamaster.safetensors")
    assert tensors.keys() == same.keys()
    assert all(np.array_equal(tensors[name], same[name]) for name in same)
    path = tmp_path / "half.th"
    path.write_bytes(released.read_bytes()[:500_000])
    refused(path, "is truncated")


@pytest.mark.peers
def test_a_pytorch_file_of_something_else_is_refused(tmp_path):
    torch = pytest.importorskip("torch", reason="pip install -r requirements-peers.txt")
    path = tmp_path / "other.pt"
    torch.save([1, 2], path)
    refused(path, "holds no state dict, but a list")
    torch.save({"epoch": 3, "best": 0.5}, path)
    refused(path, "'epoch' is a int and no tensor")


@pytest.mark.peers
@pytest.mark.parametrize("kind", ["int8", "bool", "complex64"])
def test_a_pytorch_file_of_no_real_numbers_is_refused(tmp_path, kind):
    torch = pytest.importorskip("torch", reason="pip install -r requirements-peers.txt")
    path = tmp_path / "whole.pth"
    torch.save({"conv1.weight": torch.ones(2, 2).to(getattr(torch, kind))}, path)
    refused(path, f"tensor 'conv1.weight' holds {kind} and no real numbers")


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_a_quantised_pytorch_file_is_refused(tmp_path):
    torch = pytest.importorskip("torch", reason="pip install -r requirements-peers.txt")
    path = tmp_path / "quantised.pth"
    torch.save({"a": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, path)
    refused(path, "holds int8 and no real numbers|was not loaded")


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_a_written_file_may_be_read_by_whom_the_user_lets_read_files(tmp_path):
    before = os.umask(0o022)
    try:
        write_tensors(tmp_path / "a.safetensors", {"a": np.ones(2, np.float32)}, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.safetensors").stat().st_mode) == 0o644
