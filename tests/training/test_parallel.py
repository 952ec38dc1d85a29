import re
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from jax.sharding import AbstractMesh, PartitionSpec

from resnet_jax.tables import UserError
from resnet_jax.training import parallel


@pytest.mark.parametrize(
    "batch_size, micro_batches, devices",
    [(8, 1, 8), (128, 1, 1), (128, 4, 8), (96, 3, 8), (1, 1, 1)],
)
def test_batches_that_can_be_shared(batch_size, micro_batches, devices):
    parallel.check_batch(batch_size, micro_batches, devices)


@pytest.mark.parametrize(
    "batch_size, micro_batches, devices, step, example",
    [
        (100, 1, 8, 8, 96),
        (6, 1, 8, 8, 8),
        (1, 1, 2, 2, 2),
        (128, 3, 8, 24, 120),
        (0, 1, 1, 1, 1),
        (-8, 1, 8, 8, 8),
    ],
)
def test_batches_that_can_not_be_shared(batch_size, micro_batches, devices, step, example):
    with pytest.raises(UserError) as error:
        parallel.check_batch(batch_size, micro_batches, devices)
    numbers = list(map(int, re.findall(r"-?\d+", str(error.value))))
    assert numbers[0] == batch_size
    assert numbers[-2:] == [step, example]
    assert "set train.batch_size to a multiple" in str(error.value)
    parallel.check_batch(example, micro_batches, devices)  # what it proposes is right


def test_mesh_holds_every_device():
    mesh = parallel.make_mesh()
    assert mesh.axis_names == ("data", "model")
    assert dict(mesh.shape) == {"data": jax.device_count(), "model": 1}
    assert list(mesh.devices.ravel()) == jax.devices()


@pytest.mark.parametrize(
    ("data", "model", "message"),
    [
        (2, 1, "a mesh of 2 x 1 devices does not fit the 1 that there are: set mesh.data to None"),
        (0, 1, "a mesh of 0 x 1"),
        (None, 2, "mesh.model=2 does not divide the 1 devices of a process"),
        (None, 0, "mesh.model=0"),
    ],
)
def test_meshes_that_the_devices_do_not_fill(data, model, message):
    with pytest.raises(UserError, match=message):
        parallel.make_mesh(data, model)


def test_processes_hold_consecutive_rows_whatever_the_order_of_the_hardware(monkeypatch):
    """A 4x4 slice of TPUs counts its chips row by row, and a host holds two by two of them."""
    devices = [SimpleNamespace(process_index=2 * (n // 8) + n % 4 // 2, id=n) for n in range(16)]
    monkeypatch.setattr(parallel, "Mesh", lambda devices, names, axis_types: devices)
    for model in (1, 2, 4):
        mesh = parallel.make_mesh(model=model, devices=devices)
        owners = [[device.process_index for device in row] for row in mesh]
        assert owners == sorted(owners) and all(len(set(row)) == 1 for row in owners)
    with pytest.raises(UserError, match="a mesh of 2 x 1 devices does not fit the 16"):
        parallel.make_mesh(data=2, devices=devices)


@pytest.mark.parametrize(
    ("shape", "data", "model", "split", "whole"),
    [
        ((3, 3, 64, 128), 8, 2, (None, None, "data", "model"), (None, None, None, "model")),
        ((3, 3, 64, 128), 8, 1, (None, None, None, "data"), (None,) * 4),
        ((3, 3, 64, 128), 1, 2, (None, None, None, "model"), (None, None, None, "model")),
        ((2048, 1000), 8, 16, ("data", None), (None, None)),
        ((5, 2048), 8, 2, (None, "model"), (None, "model")),
        ((5, 2047), 8, 2, (None, None), (None, None)),
        ((4095,), 8, 1, (None,), (None,)),
        ((4096,), 8, 1, ("data",), (None,)),
        ((), 8, 2, (), ()),
    ],
)
def test_which_axes_of_an_array_are_split(shape, data, model, split, whole):
    mesh = AbstractMesh((data, model), ("data", "model"))
    leaf = jax.ShapeDtypeStruct(shape, np.float32)
    for shard_state, expected in ((True, split), (False, whole)):
        placement = parallel.Placement(mesh, shard_state)
        assert tuple(placement.at_rest(leaf).spec) == expected
        assert tuple(placement.in_use(leaf).spec) == whole
        axes = {"data": data, "model": model, None: 1}
        share = np.prod([axes[name] for name in expected])
        assert placement.bytes_on_a_device(leaf) == 4 * np.prod(shape) / share


def test_shardings_split_the_axis_that_they_name():
    mesh = parallel.make_mesh()
    assert parallel.replicated(mesh).spec == PartitionSpec()
    assert parallel.batch_sharded(mesh).spec == PartitionSpec("data")
    assert parallel.batch_sharded(mesh, axis=1).spec == PartitionSpec(None, "data")


def test_placed_arrays_are_the_same_numbers():
    tree = {"a": np.arange(6).reshape(2, 3), "b": (np.float32(3), np.array([True, False]))}
    sharding = parallel.replicated(parallel.make_mesh())
    placed = parallel.place(tree, sharding)
    assert all(leaf.sharding == sharding for leaf in jax.tree.leaves(placed))
    jax.tree.map(np.testing.assert_array_equal, placed, tree)
