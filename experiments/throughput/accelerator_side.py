"""One JAX side of accelerator.py: `python accelerator_side.py WORK resnet_jax|flax`.

It compiles when it is started, takes the card's memory when it is first asked to measure, and gives
it back when it ends, so that many sides can compile at one time and none disturbs another's timing.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import flax_example
import jax
import jax.numpy as jnp
from ours import Assembly, Batch, Loop, default
from works import CLASSES, ON_A_CARD, Work, rate, seconds, serve

from resnet_jax.reporting.reports import Reports
from resnet_jax.sweeps.members import MemberDispatch, side_by_side
from resnet_jax.training.dispatch import Dispatch
from resnet_jax.training.loop import train

STEPS_PER_CALL = 16


def assembly(work: Work, seed: int = 0) -> Assembly:
    """The recipe of Flax's example for ResNet-50, that of He et al. for ResNet-20."""
    config = default.get_config()
    config.seed = seed
    imagenet = work.family == "imagenet"
    config.model.update(family=work.family, depth=work.depth, dtype=work.dtype,
                        shortcut="B" if imagenet else "A", zero_init_branch=imagenet)  # fmt: skip
    config.data.update(source="synthetic", image_size=work.size, classes=CLASSES[work.family],
                       examples=work.batch * 16, mean=(0.5,) * 3, std=(0.25,) * 3)  # fmt: skip
    if imagenet:
        config.optim.update(name="nesterov", weight_decay=5e-5, decay_rule="kernels")
    else:
        config.data.update(pad=4, flip=True)
    config.train.update(batch_size=work.batch, epochs=1_000.0)
    config.eval.every_epochs = config.checkpoint.every_epochs = 0.0
    return Assembly(config, side_by_side=work.members > 1 and side_by_side())


def photographs(work: Work, folder: str) -> Assembly:
    """The same network on photographs, cropped and flipped as they are read."""
    config = assembly(work).config.copy_and_resolve_references()
    config.data.source = "prepared"
    config.data.update(dir=folder, train_split="train", eval_split="train", flip=True)
    for key in ("classes", "examples"):
        del config.data[key]
    return Assembly(config)


def images(work: Work) -> Batch:
    """A batch of one distribution for all sides, made on the card."""
    key = jax.random.key(0)
    shape = (work.batch, work.size, work.size, 3)
    labels = jax.random.randint(key, (work.batch,), 0, CLASSES[work.family])
    return Batch(jax.random.normal(key, shape), labels, jnp.ones(work.batch, bool))


class Compiled:
    """A function compiled for shapes; its arrays are made when it is first called.

    Args:
      first: makes the first argument: a training state, or the variables of a network.
      shapes: of what it makes.
      rest: makes the other arguments.
      trains: whether the first result takes the first argument's place.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        first: Callable[[], Any],
        shapes: Any,
        rest: Callable[[], tuple],
        *,
        trains: bool,
        options: dict | None = None,
    ):
        jitted = jax.jit(function, donate_argnums=(0,) if trains else ())
        self.compiled = jitted.lower(shapes, *jax.eval_shape(rest)).compile(options or None)
        self._first, self._rest, self._trains = first, rest, trains
        self._arguments: list[Any] = []

    def __call__(self) -> None:
        if not self._arguments:
            self._arguments = [self._first(), *jax.jit(self._rest)()]
        self._out = self.compiled(*self._arguments)
        if self._trains:
            self._arguments[0] = self._out[0]

    def finish(self) -> None:
        jax.block_until_ready(self._out)

    @property
    def temporaries(self) -> int | None:
        analysis = self.compiled.memory_analysis()
        return None if analysis is None else analysis.temp_size_in_bytes


class Calls:
    """The training steps of one or several networks as the loop calls them."""

    def __init__(self, work: Work):
        runs = [assembly(work, seed).run() for seed in range(work.members)]
        self._program = MemberDispatch(runs) if work.members > 1 else Dispatch(runs)
        self._state = self._program.join([run.create_state() for run in runs])
        self._count, self._step, self._wait = min(STEPS_PER_CALL, work.steps), 0, 0
        self()
        self.finish()

    def __call__(self) -> None:
        """Makes a call at every STEPS_PER_CALLth step that is asked for."""
        if self._wait == 0:
            self._state, self._reports = self._program(self._state, self._step, self._count)
            self._step, self._wait = self._step + self._count, self._count
        self._wait -= 1

    def finish(self) -> None:
        jax.block_until_ready((self._state, self._reports))


def ours(work: Work) -> Compiled:
    parts = assembly(work)
    if work.kind == "inference":
        return Compiled(
            partial(parts.model.apply, train=False),
            lambda: parts.create_state().eval_variables,
            parts.abstract_state.eval_variables,
            lambda: (images(work).images,),
            trains=False,
        )
    return Compiled(
        partial(parts.train_step, numbers=parts.numbers),
        parts.create_state,
        parts.abstract_state,
        lambda: (images(work), jax.random.key(0)),
        trains=True,
        options=parts.compiler_options,
    )


def flax(work: Work) -> Compiled:
    dtype = jnp.dtype(work.dtype)
    step, create = flax_example.step(dtype=dtype)

    def state(names: tuple[str, ...]) -> dict:
        found = create(jax.random.key(0))
        return {name: found[name] for name in names}

    if work.kind == "inference":
        function = partial(flax_example.ResNet(dtype=dtype).apply, train=False)
        first = partial(state, ("params", "batch_stats"))
        return Compiled(function, jax.jit(first), jax.eval_shape(first),
                        lambda: (images(work).images,), trains=False)  # fmt: skip
    first = partial(state, ("params", "batch_stats", "optimizer"))
    return Compiled(
        step, jax.jit(first), jax.eval_shape(first), lambda: (images(work),), trains=True
    )


def loop(work: Work, folder: str | None) -> None:
    """The whole loop; it says that it is ready when it has compiled, and is held then."""
    parts = photographs(work, folder) if folder else assembly(work)
    run = parts.run()._replace(report_every=work.steps)
    with (
        tempfile.TemporaryDirectory() as scratch,
        redirect_stdout(sys.stderr),
        parts.reports(Path(scratch)) as reports,
    ):
        sinks = Reports([*reports.sinks, Loop(work)])
        train(run, None, sinks, parts.profile(Path(scratch)))


def main(name: str, side: str, folder: str | None = None) -> None:
    work = ON_A_CARD[name]
    versions = {"jax": jax.__version__}
    if work.kind == "loop":
        loop(work, folder)
        return
    made: list[Any] = []
    compiling = seconds(
        lambda: made.append(
            Calls(work) if work.kind == "calls" else (flax if side == "flax" else ours)(work)
        )
    )
    facts = {"compile_seconds": compiling, "temporaries": getattr(made[0], "temporaries", None)}
    measured = 0

    def measure() -> float:
        nonlocal measured
        if not measured:
            made[0]()
            made[0].finish()
        measured += 1
        return rate(made[0], work)

    serve(measure, versions=versions, **facts)


if __name__ == "__main__":
    main(*sys.argv[1:])
    # Nothing of the card is needed any more.
    sys.stdout.flush()
    os._exit(0)
