"""Compiles training steps for eight emulated devices, for test_step to look at what they hold.

python step_on_devices.py OUT.json
"""

import json
import os
import sys
from pathlib import Path

from command_line import xla_flags

os.environ["XLA_FLAGS"] = xla_flags(8)

import jax
import numpy as np
from jax.sharding import PartitionSpec

from configs import smoke
from resnet_jax.analysis import counts
from resnet_jax.assembly import Assembly
from resnet_jax.planning import compiled, hlo
from resnet_jax.training.dispatch import Dispatch

NETWORK = "stage_depths=(1,),widths=(64,),stem_width=64,width_factor=1.0,data.image_size=8"
SETTINGS = {
    "global": "",
    "of a device": "norm.group_size=32",
    "split state": "norm.name=none,mesh.shard_state=True",
}


def assembly(changes: str, batch: int = 256) -> Assembly:
    return Assembly(smoke.get_config(f"{NETWORK},train.batch_size={batch},{changes}"))


def collectives(parts: Assembly) -> dict:
    dispatch = Dispatch([parts.run()])
    text = dispatch.traced(parts.abstract_state, 0, 1).lower().compile().as_text()
    params = parts.abstract_state.params
    return {
        "collectives": compiled.collectives(hlo.parse(text)),
        "callbacks": text.count("callback") + text.count("outfeed") + text.count(" send("),
        "parameter_bytes": counts.tree_bytes(params),
        "parameters": len(jax.tree.leaves(params)),
        "norms": len(jax.tree.leaves(parts.abstract_state.batch_stats)) // 2,
        # Of the smallest activation, the stage's: batch x 8 x 8 x 64 in float32.
        "activation_bytes": 256 * 8 * 8 * 64 * 4,
    }


def statistics_of_a_device() -> dict:
    """Gradients and statistics with groups of 32 on one device, and of 32 on each of eight."""
    # On one device, whatever it is called: jit places what has no mesh on the first.
    jax.config.update("jax_enable_x64", True)
    grouped = assembly("dtype=float64,norm.group_size=32,mesh.data=1")
    own = assembly("dtype=float64")
    params = jax.device_get(grouped.create_state().params)
    stats = jax.device_get(grouped.create_state().batch_stats)
    draw = np.random.default_rng(0)
    images = draw.normal(size=(256, 8, 8, 3))
    weights = draw.normal(size=(256, 4))

    def loss(model):
        def value(params, images, weights):
            logits, changed = model.apply(
                {"params": params, "batch_stats": stats},
                images,
                train=True,
                mutable=["batch_stats"],
            )
            return (weights * logits).mean(), changed["batch_stats"]

        return jax.grad(value, has_aux=True)

    one = jax.jit(loss(grouped.model))(params, images, weights)
    batch = PartitionSpec("data")
    here = jax.shard_map(
        lambda *arguments: jax.lax.pmean(loss(own.model)(*arguments), "data"),
        mesh=own.mesh,
        in_specs=(PartitionSpec(), batch, batch),
        out_specs=PartitionSpec(),
        check_vma=False,
    )
    eight = jax.jit(here)(params, images, weights)
    flat = [
        np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]) for tree in (one, eight)
    ]
    return {"one": flat[0].tolist(), "eight": flat[1].tolist()}


if __name__ == "__main__":
    found = {name: collectives(assembly(changes)) for name, changes in SETTINGS.items()}
    found["statistics"] = statistics_of_a_device()
    Path(sys.argv[1]).write_text(json.dumps(found))
