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
        inference (logits in evaluation mode), calls (the steps as the loop calls them, several in
        one program that also draws, crops and flips the batches), loop (the whole training loop:
        data, metrics, a checkpoint an epoch), input (augmented batches alone), photographs (random
        crops and flips of JPEGs that two processes or threads decode, from PHOTOGRAPHS), compile
        (of the training step, from nothing).
      family, depth: of the network; shortcut A on CIFAR, B on ImageNet.
      size: of the images, pixels.
      batch: images.
      steps: of one measurement.
      dtype: of the activations.
      members: networks that train as one program, each on batches of its own.
    """

    kind: str
    family: str = "cifar"
    depth: int = 20
    size: int = 32
    batch: int = 128
    steps: int = 1
    dtype: str = "float32"
    members: int = 1

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

_RESNET50 = Work("train", "imagenet", 50, 224, 256, 40, "bfloat16")
_RESNET20 = Work("calls", steps=512, dtype="bfloat16")
# Of accelerator.py. Each measurement takes a second or two on an H200.
ON_A_CARD = {
    "resnet50_256": _RESNET50,
    "resnet50_512": _RESNET50._replace(batch=512, steps=20),
    "resnet50_inference_256": _RESNET50._replace(kind="inference", steps=80),
    "resnet50_loop_256": _RESNET50._replace(kind="loop"),
    "resnet50_photographs_256": _RESNET50._replace(kind="loop"),
    "resnet20_128": _RESNET20,
    "resnet20_128_float32": _RESNET20._replace(dtype="float32"),
    "resnet20_128_8_members": _RESNET20._replace(steps=256, members=8),
    "resnet20_128_32_members": _RESNET20._replace(steps=64, members=32),
}
if os.environ.get("THROUGHPUT_SMALL"):  # the same works where there is no card, to try the script
    ON_A_CARD = {
        name: work._replace(
            batch=8,
            size=32,
            depth=50 if work.depth == 50 else 8,
            steps=2,
            members=min(work.members, 2),
        )
        for name, work in ON_A_CARD.items()
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
    return work.steps * work.batch * work.members / (time.perf_counter() - start)


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def serve(measure: Callable[[], float], **facts: object) -> None:
    """Prints the facts of this side; then for each line that is read, what is measured."""
    print(json.dumps(facts), flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure()), flush=True)
