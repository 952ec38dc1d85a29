"""Tiny runs, and what a run computes as text."""

import atexit
import re
import shutil
import tempfile
import zlib
from functools import cached_property
from pathlib import Path

import jax
import numpy as np
import photographs
from ml_collections import ConfigDict

from configs import smoke
from resnet_jax.assembly import Assembly, configuration
from resnet_jax.assembly.identity import DataFacts
from resnet_jax.training.dispatch import Dispatch

PHOTOGRAPHS = Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, PHOTOGRAPHS)
for split in ("train", "test"):
    photographs.write(PHOTOGRAPHS, split)
# What a run knows of its data, where a test has none.
DATA = DataFacts(("cat", "dog"), (8, 8, 3), False, 64)


def tiny(**changes) -> ConfigDict:
    """The smoke configuration, smaller, with changes to flattened keys."""
    config = smoke.get_config(
        "stage_depths=(1,1),widths=(4,8),width_factor=1.0,stem_width=4,data.image_size=8,data.examples=64"
    )
    for key, value in changes.items():
        configuration.set_value(config, key, repr(value))
    return config


class Trace:
    """The whole computation of the first step as text, and when and what happens around it.

    Nothing is compiled. Two runs that differ in what they compute differ here. Each part is made
    when it is asked for, those that take long last.
    """

    PARTS = ("plan", "examples", "start", "step")

    def __init__(self, config: ConfigDict, assembly: Assembly | None = None):
        self._assembly = assembly or Assembly(config)
        self._run = self._assembly.run()

    def differs(self, other: "Trace") -> bool:
        """Stops at the first part that differs."""
        return any(getattr(self, part) != getattr(other, part) for part in self.PARTS)

    @cached_property
    def plan(self) -> tuple:
        assembly, run = self._assembly, self._run
        return (run.seed, run.numbers, run.steps, run.steps_per_call, run.report_every,
                run.evaluate_every, run.save_every, run.patience, assembly.train_data.examples,
                assembly.eval_data.examples, assembly.evaluation.recalibration is None)  # fmt: skip

    @cached_property
    def examples(self) -> str:
        """What is picked for training and evaluation, and the pixels of all images."""
        assembly, run = self._assembly, self._run
        picks = run.data.train_picks(run.seed, 3, run.batch_size)
        eval_picks = jax.device_get(list(assembly.evaluation.evaluator.placed_picks()))
        resident = [
            data.arrays.get("images", np.zeros(1)) for data in (run.data, assembly.eval_data)
        ]
        streamed = [pick.images for pick in (picks, *eval_picks) if hasattr(pick, "images")]
        pixels = [zlib.crc32(images.tobytes()) for images in resident + streamed]
        return without_addresses(f"{picks}{eval_picks}{pixels}")

    @cached_property
    def start(self) -> str:
        return without_addresses(str(self._start[0]))

    @cached_property
    def step(self) -> str:
        step = Dispatch([self._run]).traced(self._start[1], 3, self._run.steps_per_call).jaxpr
        return without_addresses(f"{step}{step.consts}")

    @cached_property
    def _start(self) -> tuple:
        """How the initial state is made, and its shapes."""
        initial_state = jax.make_jaxpr(self._assembly.initial_state, return_shape=True)
        return initial_state(jax.random.key(self._run.seed))


def without_addresses(text: str) -> str:
    return re.sub(r"0x[0-9a-f]+", "", text)
