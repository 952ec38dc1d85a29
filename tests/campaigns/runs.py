"""Runs that are stopped in every way and go on, and the run that nothing stopped.

The campaigns are slow tests. In their short form they take some minutes; with CAMPAIGN=1 in the
environment they have the lengths that README.md reports:

    CAMPAIGN=1 python -m pytest -m slow tests/campaigns -s
"""

import json
import os
import random
import subprocess
import time
from pathlib import Path

import jax
import numpy as np
from command_line import ROOT, call, command, environment

from resnet_jax.assembly import Assembly, run_folder
from resnet_jax.training.meter import TIMES

STEPS = 200
FLAGS = (
    f"--config=configs/smoke.py:train.steps={STEPS},report.every_steps=1,train.ema_decay=0.99,"
    "checkpoint.every_epochs=3.0,dropout=0.1,survival=0.8,optim.name=adamw,optim.rate=0.002,"
    "stage_depths=(2,),widths=(16,),width_factor=1.0,stem_width=16,data.image_size=8,"
    "report.tensorboard=False",
)
HALF = "*.orbax-checkpoint-tmp*"  # what Orbax is writing


def amount(full: int, short: int) -> int:
    return full if os.environ.get("CAMPAIGN") else short


def drawn() -> random.Random:
    """Random choices; the seed is printed, and CAMPAIGN_SEED sets it."""
    seed = int(os.environ.get("CAMPAIGN_SEED", random.randrange(10_000)))
    print("CAMPAIGN_SEED", seed)
    return random.Random(seed)


def finish(workdir: Path) -> None:
    """Trains to the last step, in this process."""
    call("train", *FLAGS, f"--workdir={workdir}")


def start(workdir: Path, *changes: str, log: Path | None = None) -> subprocess.Popen:
    """A process that trains.

    Args:
      log: begins the names of the files of its output and its errors; None: the workdir.
    """
    log = log or workdir
    with Path(f"{log}.out").open("w") as output, Path(f"{log}.err").open("w") as errors:
        return subprocess.Popen(
            command("main", ",".join([*FLAGS, *changes]), f"--workdir={workdir}"),
            cwd=ROOT,
            env=environment(),
            stdout=output,
            stderr=errors,
        )


def said(log: Path) -> tuple[str, str]:
    """Output and errors of the process that was started last, with this log."""
    return Path(f"{log}.out").read_text(), Path(f"{log}.err").read_text()


def lines(workdir: Path) -> list[dict]:
    path = workdir / "metrics.jsonl"
    if not path.exists():
        return []
    found = []
    for line in path.read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            figures = json.loads(line)
            found.append({name: figures[name] for name in figures if name not in TIMES})
    return found


def wait_for_lines(workdir: Path, count: int, process: subprocess.Popen) -> None:
    """Returns when the run has written so many more lines, or has ended."""
    wanted = len(lines(workdir)) + count
    while len(lines(workdir)) < wanted and process.poll() is None:
        time.sleep(0.005)


def is_saving(workdir: Path) -> bool:
    return any((workdir / "checkpoints").glob(HALF))


def wait_for_a_save(workdir: Path, process: subprocess.Popen) -> None:
    """Returns while the run writes a checkpoint that it had not begun before, or has ended."""
    before = set((workdir / "checkpoints").glob(HALF))
    while process.poll() is None and set((workdir / "checkpoints").glob(HALF)) <= before:
        time.sleep(0.0005)


def final_state(workdir: Path) -> list[np.ndarray]:
    assembly = Assembly(run_folder.load(workdir))
    with assembly.checkpoints(workdir) as checkpoints:
        state = checkpoints.restore(assembly.abstract_state)
    assert state is not None and int(state.step) == STEPS
    return jax.tree.leaves(jax.device_get(state))


def assert_equal(workdir: Path, reference: Path) -> None:
    """Every array and every line is the same, and nothing is left over."""
    for ours, expected in zip(final_state(workdir), final_state(reference), strict=True):
        assert ours.dtype == expected.dtype
        np.testing.assert_array_equal(ours, expected)
    assert [line["step"] for line in lines(workdir)] == list(range(1, STEPS + 1))
    assert lines(workdir) == lines(reference)
    assert not is_saving(workdir) and not list(workdir.glob("*.tmp"))
