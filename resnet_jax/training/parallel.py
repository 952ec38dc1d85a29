"""The mesh of devices, and where arrays lie on it.

Examples are split over the axis 'data'. A parameter lies on every device, or it and the activations
computed with it are split over the axis 'model', by output features. Between two steps the whole
state may be split over 'data' as well (see `Placement`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from resnet_jax.tables import UserError

# Arrays with fewer values are not split: vectors of norms and biases stay whole.
SMALLEST = 4_096


def make_mesh(
    data: int | None = None, model: int = 1, devices: Sequence[Any] | None = None
) -> Mesh:
    """A mesh with the axes 'data' and 'model' over the devices of all processes.

    Devices stand in the order of their processes, so that every process holds consecutive rows of
    a batch, and consecutive examples share statistics, whatever the hardware's own order is.

    Args:
      data: shards of a batch; None: as many as there are devices.
      model: devices that share the parameters; they belong to one process.
      devices: to use in place of all.

    Raises:
      UserError: there are too few devices, or some processes would have none.
    """
    found = jax.devices() if devices is None else devices
    found = sorted(found, key=lambda device: (device.process_index, device.id))
    everywhere, processes = len(found), len({device.process_index for device in found})
    local = everywhere // processes
    if model < 1 or local % model:
        raise UserError(
            f"mesh.model={model} does not divide the {local} devices of a process: set it to a"
            " divisor, or to 1"
        )
    data = everywhere // model if data is None else data
    wanted = data * model
    if data < 1 or wanted > everywhere or (processes > 1 and wanted < everywhere):
        raise UserError(
            f"a mesh of {data} x {model} devices does not fit the {everywhere} that there are: set"
            " mesh.data to None for all of them"
        )
    chosen = np.array(found[:wanted]).reshape(data, model)
    return Mesh(chosen, ("data", "model"), axis_types=(AxisType.Auto,) * 2)


def data_shards(mesh: Mesh) -> int:
    """Shards that a batch is split into, one on each device of the axis 'data'."""
    return mesh.shape["data"]


def process_shard() -> tuple[int, int]:
    """(index, count) of this process among those that share a batch."""
    return jax.process_index(), jax.process_count()


def is_first_process() -> bool:
    """Whether this is the process that writes the run's files and output."""
    return jax.process_index() == 0


def barrier(name: str) -> None:
    """Returns once every process has come here."""
    multihost_utils.sync_global_devices(name)


def holds_everywhere(condition: bool) -> bool:
    """Whether the condition holds on every process; every process must call this."""
    return bool(np.all(multihost_utils.process_allgather(np.array(condition))))


def largest(number: int) -> jax.Array:
    """The largest of the processes' numbers; returns without waiting for them."""
    mesh = make_mesh()
    mine = np.full(jax.local_device_count(), number, np.int32)
    return _largest(mesh)(place_rows(mine, batch_sharded(mesh)))


@cache
def _largest(mesh: Mesh) -> Any:
    return jax.jit(jnp.max, out_shardings=replicated(mesh))


def whole(array: Any) -> np.ndarray:
    """The whole array on the host, gathered from all processes; every process must call this."""
    on_host = not isinstance(array, jax.Array) or array.is_fully_addressable
    if on_host or array.is_fully_replicated:
        return np.asarray(array)
    return multihost_utils.process_allgather(array, tiled=True)


def replicated(mesh: Mesh) -> NamedSharding:
    """A copy of the whole array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharded(mesh: Mesh, *, axis: int = 0) -> NamedSharding:
    """Splits this axis of an array over the mesh's axis 'data'."""
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, "data"))


def place(tree: Any, sharding: NamedSharding) -> Any:
    """Puts host arrays, the same on every process, onto the devices."""

    def put(array: Any) -> jax.Array:
        array = np.asarray(array)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    return jax.tree.map(put, tree)


def place_rows(tree: Any, sharding: NamedSharding) -> Any:
    """Puts a batch onto the devices; each process gives only its own rows."""

    def put(array: Any) -> jax.Array:
        return jax.make_array_from_process_local_data(sharding, np.asarray(array))

    return jax.tree.map(put, tree)


@dataclass(frozen=True)
class Placement:
    """Where the arrays of a training state lie.

    An array of at least `SMALLEST` values is split over 'model' along its last axis, its output
    features, where that divides. With `shard_state` it is also split over 'data', along the
    largest other axis that divides: parameters, the optimizer's memory and averages. That is how
    they lie between two steps. A step gathers the parameters once, as it starts, reduces gradients
    as if nothing were split, and each device updates its own shard: ZeRO's first stage (Rajbhandari
    et al., arXiv 1910.02054, section 5), with parameters at rest split too.

    Attributes:
      shard_state: split the state over 'data'.
    """

    mesh: Mesh
    shard_state: bool = False

    @property
    def is_split(self) -> bool:
        """Whether any array may be split."""
        return self.mesh.shape["model"] > 1 or self.splits_state

    @property
    def splits_state(self) -> bool:
        """Whether parameters are split between steps and gathered to compute with them."""
        return self.shard_state and self.mesh.shape["data"] > 1

    def at_rest(self, tree: Any) -> Any:
        """The sharding of every array of a state, or of a tree of its shapes, between steps."""
        return jax.tree.map(lambda leaf: self._sharding(leaf.shape, self.splits_state), tree)

    def abstract(self, tree: Any) -> Any:
        """Shapes and types, with where the arrays lie between steps."""
        return jax.tree.map(
            lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            tree,
            self.at_rest(tree),
        )

    def in_use(self, tree: Any) -> Any:
        """The sharding of every array of the variables that a network computes with."""
        return jax.tree.map(lambda leaf: self._sharding(leaf.shape, False), tree)

    def gathered(self, variables: Any) -> Any:
        """The variables as a network computes with them; also inside a compiled function."""
        if not self.splits_state:
            return variables
        return jax.lax.with_sharding_constraint(variables, self.in_use(variables))

    def step(self, train_step: Callable[..., Any]) -> Callable[..., Any]:
        """A training step that gathers the parameters before it computes with them."""

        def gathering(state: Any, *arguments: Any) -> Any:
            return train_step(state.replace(params=self.gathered(state.params)), *arguments)

        return gathering

    def bytes_on_a_device(self, tree: Any) -> int:
        """Bytes that a state, or a tree of its shapes, takes on each device between steps."""
        shardings = self.at_rest(tree)
        return sum(
            int(np.prod(sharding.shard_shape(leaf.shape))) * leaf.dtype.itemsize
            for leaf, sharding in zip(
                jax.tree.leaves(tree), jax.tree.leaves(shardings), strict=True
            )
        )

    def _sharding(self, shape: tuple[int, ...], over_data: bool) -> NamedSharding:
        spec: list[str | None] = [None] * len(shape)
        if np.prod(shape) >= SMALLEST:
            data, model = self.mesh.shape["data"], self.mesh.shape["model"]
            if model > 1 and shape[-1] % model == 0:
                spec[-1] = "model"
            free = [axis for axis, name in enumerate(spec) if not name and not shape[axis] % data]
            if over_data and free:
                spec[max(free, key=lambda axis: shape[axis])] = "data"
        return NamedSharding(self.mesh, PartitionSpec(*spec))


def check_batch(batch_size: int, micro_batches: int, devices: int) -> None:
    """Raises UserError where the devices can't share the micro-batches of a batch equally."""
    if batch_size < 1 or batch_size % (micro_batches * devices):
        step = micro_batches * devices
        nearest = max(step, round(batch_size / step) * step)
        shared = f"{devices} device{'s' * (devices > 1)}"
        cut = f" in {micro_batches} micro-batches" if micro_batches > 1 else ""
        raise UserError(
            f"a batch of {batch_size} can't be shared by {shared}{cut}: set train.batch_size"
            f" to a multiple of {step}, for example {nearest}"
        )
