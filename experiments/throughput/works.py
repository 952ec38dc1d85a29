"""The works that every side does, and how a side tells what it measured."""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

THREADS = 2
# A folder of photographs in a folder for each class, and the copy of it that `prepare` makes.
PHOTOGRAPHS = os.environ.get("PHOTOGRAPHS", "")
PREPARED = os.environ.get("PREPARED", "")
CLASSES = {"cifar": 10, "imagenet": 1000}


class Work(NamedTuple):
    """A network and what is done with it.

    Attributes:
      kind: train (a step of SGD with momentum and weight decay on a batch that lies in memory),
        inference (logits in evaluation mode), loop (the whole training loop: data, metrics, a
        checkpoint an epoch), input (augmented batches alone), photographs (random crops and flips
        of JPEGs that two processes or threads decode, from PHOTOGRAPHS), compile (of the training
        step, from nothing).
      family, depth: of the network; shortcut A on CIFAR, B on ImageNet; float32.
      size: of the images, pixels.
      batch: images.
      steps: of one measurement.
    """

    kind: str
    family: str = "cifar"
    depth: int = 20
    size: int = 32
    batch: int = 128
    steps: int = 1

    @property
    def unit(self) -> str:
        return "s" if self.kind == "compile" else "images/s"


WORKS = {
    "resnet20_train": Work("train", steps=12),
    "resnet20_inference": Work("inference", steps=40),
    "resnet50_train": Work("train", "imagenet", 50, 224, 16, steps=2),
    "resnet50_inference": Work("inference", "imagenet", 50, 224, 16, steps=5),
    # An epoch, at whose end the loop saves, is five times as many.
    "resnet20_loop": Work("loop", steps=78),
    "resnet20_bare": Work("train", steps=78),
    "cifar_input": Work("input", steps=100),
    "photographs": Work("photographs", "imagenet", size=224, batch=64, steps=120),
    "resnet20_compile": Work("compile"),
    "resnet50_compile": Work("compile", "imagenet", 50, 64, 2),
    "resnet110_compile": Work("compile", depth=110),
    "resnet1001_compile": Work("compile", depth=1001),
}


class Step(Protocol):
    """What a measurement repeats."""

    def __call__(self) -> object: ...
    def finish(self) -> object: ...


def rate(step: Step, work: Work) -> float:
    """Images a second over `steps` steps in a row, with the wait until the last has ended."""
    start = time.perf_counter()
    for _ in range(work.steps):
        step()
    step.finish()
    return work.steps * work.batch / (time.perf_counter() - start)


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def serve(measure: Callable[[], float], **facts: object) -> None:
    """Prints the facts of this side; then for each line that is read, what is measured."""
    print(json.dumps(facts), flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure()), flush=True)
