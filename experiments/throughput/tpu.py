"""What a TPU's compiler says of the training step of ResNet-50, this project's and Flax's example.

    pip install 'jax[tpu]'
    JAX_PLATFORMS=cpu python experiments/throughput/tpu.py

No TPU is needed. bfloat16, 224 px, 128 images a chip. Results: results/tpu.json, tpu.md.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flax_example
import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from ours import Batch, imagenet
from works import CLASSES

from resnet_jax.planning import compiled, compilers, slices

TOPOLOGY = flags.DEFINE_string("topology", "v5e:2x2", "Generation and shape of the slice.")
IMAGES = flags.DEFINE_integer("images", 128, "On each chip.")
DEPTHS = flags.DEFINE_list("stage_depths", [3, 4, 6, 3], "Blocks of each stage.")
ONLY = flags.DEFINE_list("only", [], "Names of sides; by default all.")
OUT = flags.DEFINE_string("out", str(Path(__file__).parent / "results"), "Folder of the results.")

SIZE = 224
Step = tuple[Callable[..., Any], Any]


def ours(images: int, group_size: int | None, scan: bool) -> Step:
    """The training step and what it is called with beside the batch."""
    parts = imagenet(images, depths(), group_size, scan)
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(parts.initial_state, key)
    step, numbers = parts.train_step, parts.numbers
    return lambda state, key, batch: step(state, batch, key, numbers), (state, key)


def flax(images: int) -> Step:
    step, create = flax_example.step(depths(), jnp.bfloat16)
    return step, (jax.eval_shape(create, jax.random.key(0)),)


def depths() -> tuple[int, ...]:
    return tuple(map(int, DEPTHS.value))


SIDES: dict[str, Callable[[int, int], Step]] = {
    "Flax example, global statistics": lambda images, chips: flax(images),
    "resnet_jax, global statistics": lambda images, chips: ours(images, None, False),
    "resnet_jax, statistics of a chip": lambda images, chips: ours(images, images // chips, False),
    "the same, scanned": lambda images, chips: ours(images, images // chips, True),
}


def compile_side(name: str, devices: Sequence[Any]) -> dict[str, Any]:
    """Compiles one side and returns its figures, on one chip and for one image."""
    chips = len(devices)
    images = IMAGES.value * chips
    step, arguments = SIDES[name](images, chips)
    mesh = Mesh(np.array(devices), ("data",), axis_types=(AxisType.Auto,))
    everywhere, shared = (
        NamedSharding(mesh, spec) for spec in (PartitionSpec(), PartitionSpec("data"))
    )

    def placed(tree: Any, sharding: NamedSharding) -> Any:
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree
        )

    batch = Batch(
        jax.ShapeDtypeStruct((images, SIZE, SIZE, 3), jnp.float32),
        jax.ShapeDtypeStruct((images,), jnp.int32),
        jax.ShapeDtypeStruct((images,), jnp.bool_),
    )
    jitted = jax.jit(step, donate_argnums=0, out_shardings=(everywhere, everywhere))
    lowered = jitted.lower(*placed(arguments, everywhere), placed(batch, shared))
    start = time.perf_counter()
    figures = compiled.figures(compilers.compile_absent(lowered))
    reductions = [c for c in figures.collectives if c.kind == "all-reduce"]
    return {
        "compile_seconds": time.perf_counter() - start,
        "gflop_per_image": figures.flops / IMAGES.value / 1e9,
        "megabytes_per_image": figures.bytes / IMAGES.value / 1e6,
        "temporaries_gigabytes": figures.temporaries / 1e9,
        "all_reduces": len(reductions),
        "all_reduced_megabytes": sum(c.bytes for c in reductions) / 1e6,
        "other_collectives": len(figures.collectives) - len(reductions),
        "parameters_megabytes": parameter_bytes(arguments[0]) / 1e6,
    }


def parameter_bytes(state: Any) -> int:
    params = state["params"] if isinstance(state, dict) else state.params
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(params))


def table(results: dict[str, dict[str, Any]]) -> str:
    columns = list(next(iter(results.values())))
    lines = ["| | " + " | ".join(name.replace("_", " ") for name in columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    lines += [
        f"| {side} | " + " | ".join(f"{figures[name]:.4g}" for name in columns) + " |"
        for side, figures in results.items()
    ]
    return "\n".join(lines)


def main(_: Sequence[str]) -> None:
    on = slices.parse(TOPOLOGY.value)
    devices = compilers.devices(on)
    results = {}
    for name in SIDES:
        if not ONLY.value or any(word in name for word in ONLY.value):
            results[name] = compile_side(name, devices)
            print(name, json.dumps(results[name]), flush=True)
    folder = Path(OUT.value)
    folder.mkdir(parents=True, exist_ok=True)
    setting = {"topology": TOPOLOGY.value, "images_per_chip": IMAGES.value, "size": SIZE,
               "stage_depths": depths(), "jax": jax.__version__, "classes": CLASSES["imagenet"],
               "compiler": compilers.version(on)}  # fmt: skip
    (folder / "tpu.json").write_text(
        json.dumps({"setting": setting, "results": results}, indent=1) + "\n"
    )
    caption = ", ".join(f"{key} {value}" for key, value in setting.items())
    (folder / "tpu.md").write_text(f"{table(results)}\n\n{caption}\n")


if __name__ == "__main__":
    app.run(main)
