"""Trains and evaluates a small network in this process, for test_devices to compare.

python on_devices.py DEVICES OUT SETTING ...

A SETTING is dtype,steps,eval_batch_size and changes of the configuration. OUT/NAME.json gets what
each gives, OUT/NAME the checkpoints and OUT/NAME.npz the last state; and every run that is there
already is restored where this one's state lies.
"""

import json
import os
import sys
from pathlib import Path

from command_line import xla_flags

os.environ["XLA_FLAGS"] = xla_flags(int(sys.argv[1]))

import jax
import numpy as np

from configs import smoke
from resnet_jax.assembly import Assembly
from resnet_jax.training import parallel
from resnet_jax.training.loop import train

NETWORK = "stage_depths=(1,),widths=(32,),stem_width=16,width_factor=1.0,data.image_size=8"


class Losses(list):
    """A reporter that keeps the losses."""

    def rewind(self, step: int) -> None:
        assert step == 0

    def write(self, step: int, metrics: dict) -> None:
        assert step == len(self) + 1
        self.append(metrics["train/loss"])


def configuration(setting: str):
    dtype, steps, eval_batch_size, changes = setting.split(";")
    return smoke.get_config(
        f"{NETWORK},dtype={dtype},train.steps={steps},eval.batch_size={eval_batch_size},"
        "report.every_steps=1,eval.every_epochs=0.0,checkpoint.every_epochs=0.0,"
        f"train.ema_decay=0.9,mixing.mixup=0.2,mixing.cutmix=1.0,{changes}"
    )


def arrays(state) -> list[np.ndarray]:
    return [parallel.whole(leaf) for leaf in jax.tree.leaves(state)]


def figures(setting: str, folder: Path) -> dict:
    if setting.startswith("float64"):
        jax.config.update("jax_enable_x64", True)
    assembly, losses = Assembly(configuration(setting)), Losses()
    with assembly.checkpoints(folder) as checkpoints:
        profile = assembly.profile(folder)
        result = train(assembly.run(), checkpoints, losses, profile)
        state = checkpoints.restore(assembly.abstract_state)
    kinds = {tuple(leaf.sharding.spec) for leaf in jax.tree.leaves(state)}
    assert any(any(kind) for kind in kinds) == assembly.placement.is_split
    np.savez(f"{folder}.npz", *arrays(state))
    batch_stats = [parallel.whole(leaf) for leaf in jax.tree.leaves(state.batch_stats)]
    assert all(leaf.dtype == setting.split(";")[0] for leaf in batch_stats)
    statistics = np.concatenate([leaf.ravel() for leaf in batch_stats]).tolist()
    return {
        "losses": list(losses),
        "statistics": statistics,
        "evaluation": result,
        "restored": restored(assembly, folder.parent, setting),
    }


def restored(assembly: Assembly, folder: Path, setting: str) -> list[str]:
    """The names of other runs of this type whose checkpoint gives exactly their state here."""
    found = []
    for saved in sorted(folder.glob("*.npz")):
        if not saved.stem.startswith(setting.split(";")[0]):
            continue
        with assembly.checkpoints(saved.with_suffix("")) as checkpoints:
            state = checkpoints.restore(assembly.abstract_state)
        expected = list(np.load(saved).values())
        for one, other in zip(arrays(state), expected, strict=True):
            np.testing.assert_array_equal(one, other)
        found.append(saved.stem)
    return found


if __name__ == "__main__":
    out = Path(sys.argv[2])
    for argument in sys.argv[3:]:
        name, _, setting = argument.partition(":")
        (out / f"{name}.json").write_text(json.dumps(figures(setting, out / name)))
