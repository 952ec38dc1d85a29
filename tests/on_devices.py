"""Trains and evaluates the smoke configuration in this process, for test_devices to compare.

python on_devices.py DEVICES OUT.json
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={sys.argv[1]}"

import jax
import numpy as np

from configs import smoke
from resnet_jax.assembly import Assembly
from resnet_jax.training.loop import train


class Losses(list):
    """A reporter that keeps the losses."""

    def rewind(self, step: int) -> None:
        assert step == 0

    def write(self, step: int, metrics: dict) -> None:
        assert step == len(self) + 1
        self.append(metrics["train/loss"])


def figures(dtype: str, steps: int, eval_batch_size: int) -> dict:
    changes = (
        f"dtype={dtype},train.steps={steps},eval.batch_size={eval_batch_size},"
        "mixing.mixup=0.2,mixing.cutmix=1.0"
    )
    config = smoke.get_config(changes)
    config.report.every_steps = 1
    config.eval.every_epochs = 0.0
    config.checkpoint.every_epochs = 0.0
    assembly, losses = Assembly(config), Losses()
    with (
        tempfile.TemporaryDirectory() as folder,
        assembly.checkpoints(Path(folder)) as checkpoints,
    ):
        profile = assembly.profile(Path(folder))
        result = train(assembly.run(), checkpoints, losses, profile)
        state = checkpoints.restore(assembly.create_state())
    batch_stats = jax.tree.leaves(jax.device_get(state.batch_stats))
    assert all(leaf.dtype == dtype for leaf in batch_stats)
    statistics = np.concatenate([leaf.ravel() for leaf in batch_stats]).tolist()
    return {"losses": list(losses), "statistics": statistics, "evaluation": result}


if __name__ == "__main__":
    assert jax.device_count() == int(sys.argv[1])
    # float64 last: it changes the process.
    results = {
        "float32": figures("float32", steps=3, eval_batch_size=7),
        "float64": figures("float64", steps=20, eval_batch_size=100),
    }
    Path(sys.argv[2]).write_text(json.dumps(results))
