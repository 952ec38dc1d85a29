"""Turns state dicts into Flax variables and back; every tensor must fill a parameter."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from resnet_jax.models.resnet import ResNet
from resnet_jax.models.scan import initial, unstack_blocks
from resnet_jax.tables import UserError
from resnet_jax.weights.files import Tensors
from resnet_jax.weights.naming import linear_maps, naming_for, naming_of, tensor_name
from resnet_jax.weights.outline import nearest_network

Variables = dict[str, Any]
Path = tuple[str, ...]


class Fitted(NamedTuple):
    """Variables from a state dict.

    Attributes:
      variables: params and batch_stats, in the unrolled layout.
      head_fits: whether the file's head has the model's number of classes; if not, and the caller
        allows that, the head's parameters are missing in `variables`.
    """

    variables: Variables
    head_fits: bool


class _Place(NamedTuple):
    """The variable that a tensor of a state dict fills: its path, its shapes here and there."""

    path: Path
    shape: tuple[int, ...]
    peer_shape: tuple[int, ...]
    dtype: Any
    naming: str


def _peer_shape(path: Path, shape: tuple[int, ...], naming: str, linear: bool) -> tuple[int, ...]:
    """HWIO -> OIHW; [in, out] -> [out, in], or [out, in, 1, 1] in codes that write a convolution.

    A kernel over channels, [size], has a single channel in PyTorch: [1, 1, size]. timm's gains of
    kernels, [out], have the number of dimensions of these.

    Args:
      linear: see naming.linear_maps.
    """
    if naming == "flax":
        return shape
    reverse = tuple(reversed(shape))
    if path[-1] == "kernel" and len(shape) == 1:
        return (1, 1, *shape)
    if path[-1] == "scale" and naming == "nfnet":
        return (*shape, 1, 1, 1)
    if len(shape) == 4:
        mapped = linear and shape[:2] == (1, 1) and path[-2] in ("conv2", "conv3")
        return (shape[3], shape[2]) if mapped else (shape[3], shape[2], shape[0], shape[1])
    if len(shape) == 2 and ("attention" in path[-2] or naming == "resnetv2"):
        return (*reverse, 1, 1)
    return reverse


def _to_peer(array: np.ndarray, place: _Place) -> np.ndarray:
    if place.naming == "flax":
        return array
    axes = (3, 2, 0, 1) if array.ndim == 4 else None
    return np.transpose(array, axes).reshape(place.peer_shape)


def _from_peer(array: np.ndarray, place: _Place) -> np.ndarray:
    if place.naming == "flax":
        return array
    if len(place.shape) == 4:
        array = array.reshape(*array.shape, *(1,) * (4 - array.ndim))
        return np.transpose(array, (2, 3, 1, 0))
    return np.transpose(array.reshape(tuple(reversed(place.shape))))


def _places(model: ResNet, naming: str, channels: int) -> dict[str, _Place]:
    images = jnp.zeros((1, 64, 64, channels))

    def variables() -> Variables:
        return unstack_blocks(initial(model, jax.random.key(0), images))

    places, linear = {}, linear_maps(model, naming)
    for keys, leaf in jax.tree_util.tree_leaves_with_path(jax.eval_shape(variables)):
        path = tuple(key.key for key in keys)
        name = tensor_name(model, naming, path)
        assert name not in places, name
        peer_shape = _peer_shape(path, leaf.shape, naming, linear)
        places[name] = _Place(path, leaf.shape, peer_shape, leaf.dtype, naming)
    return places


def classes_of(tensors: Tensors) -> int | None:
    """The number of classes of the head in a state dict; None where it has none."""
    heads = ("fc.weight", "head.fc.weight", "linear.weight", "last_linear.weight")
    if "params/head/kernel" in tensors:
        return tensors["params/head/kernel"].shape[-1]
    return next((len(tensors[name]) for name in heads if name in tensors), None)


def tensor_shapes(
    model: ResNet, naming: str | None = None, channels: int = 3
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors of `model` in a state dict of that naming.

    Args:
      naming: see naming.naming_for.
    """
    places = _places(model, naming_for(model, naming), channels)
    return {name: place.peer_shape for name, place in places.items()}


def to_tensors(model: ResNet, variables: Variables, naming: str | None = None) -> Tensors:
    """Flax variables -> a state dict in PyTorch's layout, or with the naming 'flax' in Flax's.

    Args:
      variables: params and batch_stats in the unrolled layout.
      naming: see naming.naming_for.

    Raises:
      UserError: the naming is unknown.
    """
    naming = naming_for(model, naming)
    tensors, linear = {}, linear_maps(model, naming)
    for keys, leaf in jax.tree_util.tree_leaves_with_path(variables):
        path = tuple(key.key for key in keys)
        array = np.asarray(leaf)
        shape = array.shape
        peer_shape = _peer_shape(path, shape, naming, linear)
        place = _Place(path, shape, peer_shape, array.dtype, naming)
        tensors[tensor_name(model, naming, path)] = _to_peer(array, place)
    return tensors


def to_variables(
    model: ResNet, tensors: Tensors, *, channels: int = 3, replace_head: bool = False
) -> Fitted:
    """A state dict -> Flax variables of `model`, in the unrolled layout.

    Args:
      channels: of the images.
      replace_head: leave the head out where it has another number of classes.

    Raises:
      UserError: a tensor is missing, left over or of the wrong shape; the sentence names it and the
        nearest published network. Or one has values that its place does not take.
    """
    naming = naming_of(tensors)
    places = _places(model, naming, channels)
    head = {name for name, place in places.items() if place.path[-2] == "head"}
    missing = [name for name in places if name not in tensors]
    surplus = [name for name in tensors if name not in places]
    wrong = [
        name
        for name, place in places.items()
        if name in tensors and tensors[name].shape != place.peer_shape
    ]
    head_fits = not (replace_head and wrong and set(wrong) <= head)
    if not head_fits:
        wrong = []
    if missing or surplus or wrong:
        raise UserError(_mismatch(tensors, places, missing, surplus, wrong))

    variables: Variables = {}
    for name, place in places.items():
        if name in head and not head_fits:
            continue
        node = variables
        for key in place.path[:-1]:
            node = node.setdefault(key, {})
        node[place.path[-1]] = _from_peer(_checked(name, tensors[name], place), place)
    return Fitted(variables, head_fits)


def _checked(name: str, tensor: np.ndarray, place: _Place) -> np.ndarray:
    """The tensor in the type of its place."""
    if place.path[-1] == "var" and (tensor < 0).any():
        raise UserError(
            f"'{name}' has negative values, and is a variance: the file is damaged, or its tensors"
            " are mixed up"
        )
    with np.errstate(over="ignore"):
        converted = tensor.astype(place.dtype)
    if not np.isfinite(converted).all():
        raise UserError(
            f"'{name}' has values of up to {np.abs(tensor).max():.2g}, which {place.dtype} does not"
            " hold: the file is damaged"
        )
    return converted


def _mismatch(
    tensors: Tensors,
    places: dict[str, _Place],
    missing: list[str],
    surplus: list[str],
    wrong: list[str],
) -> str:
    def listed(names: list[str]) -> str:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return ", ".join(f"'{name}'" for name in names[:3]) + more

    faults = []
    if missing:
        faults.append(f"it lacks {listed(missing)}")
    if surplus:
        faults.append(f"{listed(surplus)} would be left over")
    if wrong:
        name = wrong[0]
        more = f" ({len(wrong)} tensors have the wrong shape)" if len(wrong) > 1 else ""
        faults.append(
            f"'{name}' is {tensors[name].shape} where {places[name].peer_shape} is needed{more}"
        )
    return f"the file does not fit the network: {'; '.join(faults)}; {nearest_network(tensors)}"
