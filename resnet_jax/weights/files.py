"""Reads and writes files of named tensors. Nothing that a file contains is ever executed."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from resnet_jax.tables import UserError
from resnet_jax.weights.hub import local

Tensors = dict[str, np.ndarray]

PYTORCH_SUFFIXES = (".pth", ".th", ".pt")
# Keys under which training scripts save the network's state dict among other things.
NESTED_KEYS = ("state_dict", "model", "state_dict_ema")


def read_tensors(path: str | Path) -> Tensors:
    """Returns the tensors of a .safetensors file, or of a PyTorch one (.pth, .th, .pt).

    hf://OWNER/REPOSITORY names one of the hub; see weights.hub.

    PyTorch files are opened by its `weights_only` loader alone. The prefix `module.`, which
    DataParallel leaves in names, and counters of batches are dropped. All returned tensors are
    finite, and float32 or float64.

    Raises:
      UserError: the file is missing or can't be read as what its suffix says, PyTorch is needed and
        not installed, or a tensor holds a NaN, an infinity, or no real numbers at all.
    """
    path = local(path)
    if not path.is_file():
        raise UserError(f"there is no file of weights {path}")
    if path.suffix == ".safetensors":
        tensors = _read_safetensors(path)
    elif path.suffix in PYTORCH_SUFFIXES:
        tensors = _read_pytorch(path)
    else:
        raise UserError(
            f"{path} ends in '{path.suffix}': give a file of weights that ends in .safetensors,"
            f" {', '.join(PYTORCH_SUFFIXES)}"
        )
    named = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    kept = {name: tensor for name, tensor in named.items() if not name.endswith("batches_tracked")}
    return {name: _checked(path, name, tensor) for name, tensor in kept.items()}


def _checked(path: Path, name: str, tensor: np.ndarray) -> np.ndarray:
    if tensor.dtype.kind in "biuc":
        raise UserError(
            f"{path}: tensor '{name}' holds {tensor.dtype} and no real numbers: give the weights as"
            " they were before they were quantised or packed, as float32 or float16"
        )
    if not np.isfinite(tensor.astype(np.float64)).all():
        raise UserError(f"{path}: tensor '{name}' holds a NaN or an infinity: the file is unusable")
    return tensor if tensor.dtype == np.float64 else tensor.astype(np.float32)


def _read_safetensors(path: Path) -> Tensors:
    try:
        return load_file(path)
    except AttributeError as error:  # a type that NumPy does not have
        raise UserError(
            f"{path} holds numbers of a type that can't be read ({_first_line(error)}): store them"
            " as float32 or float16"
        ) from None
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path} is truncated or no safetensors file ({_first_line(error)}): get it anew"
        ) from None


def _read_pytorch(path: Path) -> Tensors:
    try:
        import torch
    except ImportError:
        raise UserError(
            f"reading {path} needs PyTorch: `pip install torch`, or convert"
            " the file to .safetensors where PyTorch is installed"
        ) from None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the loader raises its own, pickle's, zipfile's and EOFError
        raise UserError(
            f"{path} is truncated, or holds more than tensors, which could run code and was not"
            f" loaded ({_first_line(error)})"
        ) from None
    for key in NESTED_KEYS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise UserError(f"{path} holds no state dict, but a {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(value, torch.Tensor):
            raise UserError(
                f"{path} is no state dict: '{name}' is a {type(value).__name__} and no tensor"
            )
    return {name: _as_numpy(value) for name, value in content.items()}


def _as_numpy(tensor: Any) -> np.ndarray:
    tensor = tensor.detach()
    if tensor.is_quantized:
        tensor = tensor.int_repr()
    if not tensor.is_floating_point():
        return tensor.numpy()
    return (tensor if str(tensor.dtype) == "torch.float64" else tensor.float()).numpy()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:120].rstrip(".: ")


def write_tensors(path: str | Path, tensors: Tensors, metadata: Mapping[str, str]) -> None:
    """Writes a .safetensors file, whole or not at all.

    Raises:
      UserError: the file has another suffix or can't be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise UserError(f"can't write {path}: weights go into files that end in .safetensors")
    draft = path.with_name(path.name + ".tmp")
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    try:
        # As bytes, since the library gives a file that it writes to its owner alone.
        draft.write_bytes(save(contiguous, metadata=dict(metadata)))
        os.replace(draft, path)
    except (OSError, SafetensorError) as error:
        draft.unlink(missing_ok=True)
        raise UserError(f"can't write {path} ({_first_line(error)})") from None
