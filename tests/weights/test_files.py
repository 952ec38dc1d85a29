"""Files of weights: what is read, what is refused, and that nothing is written by halves."""

import os
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
    refused(path, "needs PyTorch: `pip install -r requirements-torch")


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
