"""This project's side: `python ours.py WORK`, or of photographs `python ours.py WORK prepared`."""

import json
import os
import platform
import sys
import tempfile
import time
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import flax
import jax
import jax.numpy as jnp
import numpy as np
from works import CLASSES, PHOTOGRAPHS, PREPARED, THREADS, WORKS, Work, rate, seconds, serve

sys.path.insert(0, str(Path(__file__).parents[2]))

from configs import default
from resnet_jax.analysis import counts
from resnet_jax.assembly import Assembly
from resnet_jax.data.changes.augment import random_flip
from resnet_jax.data.contract import Batch
from resnet_jax.data.photographs import streamed
from resnet_jax.data.sources import catalogue as sources
from resnet_jax.data.sources.catalogue import Source
from resnet_jax.reporting.reports import Reports
from resnet_jax.training.compilation import onednn_options
from resnet_jax.training.loop import train


def assembly(work: Work) -> Assembly:
    config = default.get_config()
    config.model.update(family=work.family, depth=work.depth)
    config.model.shortcut = "A" if work.family == "cifar" else "B"
    if work.kind == "compile" and work.depth > 100:
        config.model.branch = "bottleneck"
        config.model.scan_blocks = True
    classes = CLASSES[work.family]
    examples = 50_000 if work.kind in ("loop", "input") else work.batch
    config.data.update(source="synthetic", image_size=work.size, classes=classes, examples=examples,
                       mean=(0.5,) * 3, std=(0.25,) * 3, pad=4, flip=True)  # fmt: skip
    config.train.update(batch_size=work.batch, epochs=1_000.0, onednn=True)
    config.eval.every_epochs = 0.0
    return Assembly(config)


def imagenet(
    batch: int, stage_depths: tuple[int, ...], group_size: int | None, scan: bool
) -> Assembly:
    """A network of bottlenecks in bfloat16 on a TPU, with the recipe of Flax's example."""
    config = default.get_config()
    config.model.update(family="imagenet", stage_depths=stage_depths, branch="bottleneck",
                        widths=(64, 128, 256, 512)[: len(stage_depths)], shortcut="B",
                        zero_init_branch=True, scan_blocks=scan, dtype="bfloat16")  # fmt: skip
    config.norm.group_size = group_size
    config.data.update(source="synthetic", image_size=224, classes=CLASSES["imagenet"],
                       examples=batch, mean=(0.5,) * 3, std=(0.25,) * 3)  # fmt: skip
    config.train.batch_size = batch
    config.optim.update(name="nesterov", weight_decay=5e-5, decay_rule="kernels")
    return Assembly(config, platform="tpu")


def example(work: Work) -> Batch:
    draw = np.random.default_rng(0)
    images = draw.normal(size=(work.batch, work.size, work.size, 3)).astype(np.float32)
    labels = draw.integers(0, CLASSES[work.family], work.batch).astype(np.int32)
    return jax.device_put(Batch(images, labels, np.ones(work.batch, bool)))


class Training:
    """A compiled step, again and again on one batch."""

    def __init__(self, step, state, *rest, options: dict | None = None):
        self._step = jax.jit(step, donate_argnums=0, compiler_options=options)
        self._state, self._rest = state, rest

    def __call__(self) -> None:
        self._state, self._report = self._step(self._state, *self._rest)

    def finish(self) -> None:
        jax.block_until_ready((self._state, self._report))


class Output:
    """A compiled function of what it is given, again and again."""

    def __init__(self, function, *arguments, options: dict | None = None):
        self._function = jax.jit(function, compiler_options=options)
        self._arguments = arguments

    def __call__(self) -> None:
        self._output = self._function(*self._arguments)

    def finish(self) -> None:
        jax.block_until_ready(self._output)


class Loop:
    """A sink of the training loop that holds it after each measurement until the next begins."""

    def __init__(self, work: Work):
        self._images = work.steps * work.batch
        self._start: float | None = None

    def rewind(self, step: int) -> None:
        pass

    def write(self, step: int, metrics: dict) -> None:
        fact = {} if self._start is None else self._images / (time.perf_counter() - self._start)
        print(json.dumps(fact), file=sys.__stdout__, flush=True)
        if not sys.stdin.readline():
            # The loop has no end that is near.
            os._exit(0)
        self._start = time.perf_counter()

    def close(self) -> None:
        pass


def loop(work: Work) -> None:
    """Trains; the first line of metrics, after compiling, says that this side is ready."""
    parts = assembly(work)
    run = parts.run()._replace(report_every=work.steps)
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        workdir = Path(folder)
        with parts.checkpoints(workdir) as checkpoints, parts.reports(workdir) as reports:
            sinks = Reports([*reports.sinks, Loop(work)])
            train(run, checkpoints, sinks, parts.profile(workdir))


def train_step(work: Work) -> Training:
    parts = assembly(work)
    arguments = parts.create_state(), example(work), jax.random.key(0)
    step = partial(parts.train_step, numbers=parts.numbers)
    return Training(step, *arguments, options=parts.compiler_options)


def inference(work: Work) -> Output:
    parts = assembly(work)
    apply = partial(parts.model.apply, train=False)
    variables, images = parts.create_state().eval_variables, example(work).images
    return Output(apply, variables, images, options=onednn_options())


def batches(work: Work) -> Output:
    data = assembly(work).train_data
    arrays = jax.device_put(data.arrays)
    picks = data.train_picks(0, 0, work.batch)
    return Output(data.train_batch, arrays, picks, jax.random.key(0))


class Photographs:
    """Batches that two worker processes crop, and that a compiled function flips."""

    def __init__(self, work: Work, source: Source, split: str):
        self._data = streamed(
            source.load(split), image_size=work.size, mean=(0.5,) * 3, std=(0.25,) * 3,
            workers=THREADS, steps=1,
        )  # fmt: skip
        self._flip = jax.jit(random_flip)
        self._batch, self._step = work.batch, 0

    def __call__(self) -> None:
        picks = self._data.train_picks(0, self._step, self._batch)
        self._images = self._flip(jax.random.key(self._step), picks.images)
        self._step += 1

    def finish(self) -> None:
        jax.block_until_ready(self._images)


def photographs(work: Work, prepared: bool) -> Photographs:
    root = Path(PHOTOGRAPHS)
    if prepared:
        return Photographs(work, sources.prepared(dir=PREPARED), root.name)
    return Photographs(work, sources.folder(dir=str(root.parent), splits=(root.name,)), root.name)


def compiling(step, *arguments, options: dict | None = None) -> float:
    jax.clear_caches()
    lowered = jax.jit(step, donate_argnums=0).lower(*arguments)
    return seconds(partial(lowered.compile, options))


def measurement(work: Work, prepared: bool = False):
    """Returns a function that measures once."""
    if work.kind == "compile":
        parts = assembly(work)
        state = jax.eval_shape(parts.initial_state, jax.random.key(0))
        return partial(
            compiling, partial(parts.train_step, numbers=parts.numbers), state, example(work),
            jax.random.key(0), options=parts.compiler_options,
        )  # fmt: skip
    if work.kind == "photographs":
        step = photographs(work, prepared)
    else:
        step = {"train": train_step, "inference": inference, "input": batches}[work.kind](work)
    step()
    step.finish()
    return partial(rate, step, work)


def matmul_peak(size: int = 2048, repeats: int = 10) -> float:
    """FLOP/s of a square float32 product."""
    x = jnp.ones((size, size))
    product = Output(jnp.dot, x, x)
    product()
    product.finish()

    def all_of_them() -> None:
        for _ in range(repeats):
            product()
        product.finish()

    return 2 * size**3 * repeats / seconds(all_of_them)


def flops_of_an_image(work: Work) -> float:
    """Of forward and, in training, backward passes, which cost twice as much again."""
    forward = sum(
        layer.flops for layer in counts.layers(assembly(work).model, (work.size,) * 2 + (3,))
    )
    return forward * (3 if work.kind == "train" else 1)


def facts(work: Work) -> dict:
    versions = {
        "python": platform.python_version(),
        "jax": jax.__version__,
        "flax": flax.__version__,
    }
    if work.kind not in ("train", "inference"):
        return {"versions": versions}
    return {"versions": versions, "flops": flops_of_an_image(work), "peak": matmul_peak()}


if __name__ == "__main__":
    work = WORKS[sys.argv[1]]
    if work.kind == "loop":
        loop(work)
    else:
        serve(measurement(work, sys.argv[2:] == ["prepared"]), **facts(work))
