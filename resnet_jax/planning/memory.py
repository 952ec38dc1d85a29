"""The memory that a training step takes on a device, estimated without a compiler."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from resnet_jax.analysis import counts
from resnet_jax.assembly import Assembly
from resnet_jax.data.contract import Batch
from resnet_jax.training import parallel


class Memory(NamedTuple):
    """Bytes on one device while it trains, estimated without a compiler."""

    state: int
    batch: int
    gradients: int
    activations: int


def estimate(assembly: Assembly) -> Memory:
    """Adds up the state and the batch on a device, a gradient, and the layer outputs of its images.

    A compiler fuses some layers and needs extra memory for others, so it may need less or more; see
    tests/planning/test_memory.py.
    """
    shards = parallel.data_shards(assembly.mesh)
    images = assembly.batch_size // shards // assembly.accumulate
    layers = counts.layers(assembly.model, assembly.source.image_shape)
    state = assembly.abstract_state
    reversible = assembly.model.block.shortcut.inverse is not None
    remat = "reversible" if reversible else assembly.model.remat
    return Memory(
        state=assembly.placement.bytes_on_a_device(state),
        batch=counts.tree_bytes(abstract_batch(assembly, assembly.batch_size)) // shards,
        # With accumulation: those of one micro-batch, and the sum over those before it.
        gradients=counts.tree_bytes(state.params) * (2 if assembly.accumulate > 1 else 1),
        activations=images * counts.kept_bytes(layers, remat),
    )


def abstract_batch(assembly: Assembly, batch: int) -> Batch:
    """A batch as shapes, types and shardings."""
    sharding = parallel.batch_sharded(assembly.mesh)

    def leaf(dtype: Any, *shape: int) -> Any:
        return jax.ShapeDtypeStruct((batch, *shape), dtype, sharding=sharding)

    images = leaf(jnp.float32, *assembly.source.image_shape)
    return Batch(images, labels=leaf(jnp.int32), mask=leaf(jnp.bool_))
