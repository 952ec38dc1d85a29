"""What the CUDA compiler makes of several ResNet-20 that train as one program, without a GPU.

    pip install -r requirements-cuda-compiler.txt
    JAX_PLATFORMS=cpu python experiments/throughput/members.py

Prints kernels, bytes, arithmetic and the convolutions' shapes of one network's step, of a step of
eight as JAX batches them, and of eight with their channels side by side.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from absl import app, flags

from resnet_jax.assembly import Assembly
from resnet_jax.configs import default
from resnet_jax.data.contract import Batch
from resnet_jax.planning import compiled, compilers, hardware

CARD = flags.DEFINE_string("card", "h100:1", "The card to compile for.")
MEMBERS = flags.DEFINE_integer("members", 8, "Networks in one program.")
DTYPE = flags.DEFINE_string("dtype", "bfloat16", "Of the activations.")

IMAGES = 128


def figures(devices: Sequence[Any], members: int, side_by_side: bool) -> compiled.Figures:
    """The compiler's figures for a step of so many members; 0 is one network by itself."""
    config = default.get_config()
    config.model.update(family="cifar", depth=20, shortcut="A", dtype=DTYPE.value)
    config.data.update(source="synthetic", image_size=32, classes=10, mean=(0.5,) * 3,
                       std=(0.25,) * 3)  # fmt: skip
    config.train.batch_size = IMAGES
    parts = Assembly(config, "gpu", devices=devices, side_by_side=side_by_side)

    def one(state: Any, batch: Batch, key: Any, numbers: Any) -> Any:
        return parts.train_step(state, batch, jax.random.wrap_key_data(key), numbers)

    batch = Batch(
        jax.ShapeDtypeStruct((IMAGES, 32, 32, 3), jnp.float32),
        jax.ShapeDtypeStruct((IMAGES,), jnp.int32),
        jax.ShapeDtypeStruct((IMAGES,), jnp.bool_),
    )
    key = jax.random.key(0)
    arguments = (
        jax.eval_shape(parts.initial_state, key),
        batch,
        jax.eval_shape(jax.random.key_data, key),
        jax.tree.map(lambda _: jax.ShapeDtypeStruct((), jnp.float32), parts.numbers),
    )
    on_device = jax.sharding.SingleDeviceSharding(devices[0])
    lead = (members,) if members else ()
    shaped = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((*lead, *leaf.shape), leaf.dtype, sharding=on_device),
        arguments,
    )
    step = jax.jit(jax.vmap(one) if members else one, donate_argnums=0)
    return compiled.figures(compilers.compile_absent(step.lower(*shaped), parts.compiler_options))


def main(_: Sequence[str]) -> None:
    devices = compilers.devices(hardware.parse(CARD.value))
    for name, members, side_by_side in (
        ("one", 0, False),
        ("batched", MEMBERS.value, False),
        ("side by side", MEMBERS.value, True),
    ):
        found = figures(devices, members, side_by_side)
        total = sum(kernel.count for kernel in found.kernels)
        print(f"{name}: {total} kernels, {found.bytes / 1e9:.2f} GB, {found.flops / 1e9:.0f} GFLOP")
        shapes: Counter[str] = Counter()
        for kernel in found.kernels:
            if kernel.flops:
                result = kernel.shapes.split(" ")[0]
                shapes[f"{kernel.name} {kernel.reads} -> {result}"] += kernel.count
        for shape, count in sorted(shapes.items()):
            print(f"  {count:3d} {shape}", flush=True)


if __name__ == "__main__":
    app.run(main)
