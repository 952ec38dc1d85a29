import re

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from resnet_jax.tables import UserError
from resnet_jax.training import parallel


@pytest.mark.parametrize(
    "batch_size, parts, devices", [(8, 1, 8), (128, 1, 1), (128, 4, 8), (96, 3, 8), (1, 1, 1)]
)
def test_batches_that_can_be_shared(batch_size, parts, devices):
    parallel.check_batch(batch_size, parts, devices)


@pytest.mark.parametrize(
    "batch_size, parts, devices, step, example",
    [
        (100, 1, 8, 8, 96),
        (6, 1, 8, 8, 8),
        (1, 1, 2, 2, 2),
        (128, 3, 8, 24, 120),
        (0, 1, 1, 1, 1),
        (-8, 1, 8, 8, 8),
    ],
)
def test_batches_that_can_not_be_shared(batch_size, parts, devices, step, example):
    with pytest.raises(UserError) as error:
        parallel.check_batch(batch_size, parts, devices)
    numbers = list(map(int, re.findall(r"-?\d+", str(error.value))))
    assert numbers[0] == batch_size
    assert numbers[-2:] == [step, example]
    assert "set train.batch_size to a multiple" in str(error.value)
    parallel.check_batch(example, parts, devices)  # what it proposes is right


def test_mesh_holds_every_device_on_one_axis():
    mesh = parallel.data_mesh()
    assert mesh.axis_names == ("data",)
    assert list(mesh.devices.ravel()) == jax.devices()


def test_shardings_split_the_axis_that_they_name():
    mesh = parallel.data_mesh()
    assert parallel.replicated(mesh).spec == PartitionSpec()
    assert parallel.batch_sharded(mesh).spec == PartitionSpec("data")
    assert parallel.batch_sharded(mesh, axis=1).spec == PartitionSpec(None, "data")


def test_placed_arrays_are_the_same_numbers():
    tree = {"a": np.arange(6).reshape(2, 3), "b": (np.float32(3), np.array([True, False]))}
    sharding = parallel.replicated(parallel.data_mesh())
    placed = parallel.place(tree, sharding)
    assert all(leaf.sharding == sharding for leaf in jax.tree.leaves(placed))
    jax.tree.map(np.testing.assert_array_equal, placed, tree)
