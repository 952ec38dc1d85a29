"""The mesh of all devices, and where arrays lie on it."""

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from resnet_jax.tables import UserError


def data_mesh() -> Mesh:
    """A mesh over all devices of all processes with the one axis 'data'."""
    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """A copy of the whole array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharded(mesh: Mesh, *, axis: int = 0) -> NamedSharding:
    """Splits this axis of an array over the devices."""
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, "data"))


def place(tree: Any, sharding: NamedSharding) -> Any:
    """Puts host arrays, the same on every process, onto the devices."""

    def put(array: Any) -> jax.Array:
        array = np.asarray(array)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    return jax.tree.map(put, tree)


def check_batch(batch_size: int, parts: int, devices: int) -> None:
    """Raises UserError where the devices can't share a batch computed in so many parts."""
    if batch_size < 1 or batch_size % (parts * devices):
        step = parts * devices
        nearest = max(step, round(batch_size / step) * step)
        shared = f"{devices} device{'s' * (devices > 1)}"
        in_parts = f" in {parts} parts" if parts > 1 else ""
        raise UserError(
            f"a batch of {batch_size} can't be shared by {shared}{in_parts}: set train.batch_size"
            f" to a multiple of {step}, for example {nearest}"
        )
