"""The training loop: restore, then for each step train, report, evaluate and save."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from jax.sharding import Mesh

from resnet_jax.data.contract import Data
from resnet_jax.training.checkpoint import Checkpoints
from resnet_jax.training.dispatch import Dispatch
from resnet_jax.training.interruption import Interruption
from resnet_jax.training.meter import Meter, Reporter
from resnet_jax.training.optim import Numbers
from resnet_jax.training.profile import Profile
from resnet_jax.training.state import TrainState
from resnet_jax.training.steps import TrainStep

Metrics = dict[str, Any]


class Run(NamedTuple):
    """A run, assembled: everything that the loop needs.

    Attributes:
      create_state: a new state, placed on the mesh.
      evaluate: examples, loss, top1 and top5 of the evaluation split.
      shard_state: see parallel.Placement.
      numbers, train_step: see Dispatch.
      seed: of the data order and of every random choice in a step.
      steps: updates in all.
      steps_per_call: updates that one compiled call makes.
      compiler_options: XLA's, of the training step.
      size_changes: steps that are the first with images of another size.
      report_every, evaluate_every, save_every: steps between two; 0 is at the end only.
    """

    mesh: Mesh
    shard_state: bool
    data: Data
    create_state: Callable[[], TrainState]
    numbers: Numbers
    train_step: Callable[[Numbers], TrainStep]
    evaluate: Callable[[TrainState], Metrics]
    seed: int
    batch_size: int
    steps: int
    steps_per_call: int
    compiler_options: dict[str, Any]
    size_changes: Sequence[int]
    report_every: int
    evaluate_every: int
    save_every: int


def train(run: Run, checkpoints: Checkpoints, reporter: Reporter, profile: Profile) -> Metrics:
    """Trains from the newest checkpoint to the last step.

    Returns:
      The step and the final evaluation, or the step and the signal that stopped the run.

    Raises:
      UserError: the loss is no longer finite.
    """
    fresh = run.create_state()
    state = checkpoints.restore(fresh) or fresh
    step = int(state.step)
    reporter.rewind(step)
    meter = Meter(reporter, run.batch_size, run.report_every)
    dispatch = Dispatch(
        run.train_step,
        run.data,
        numbers=run.numbers,
        seed=run.seed,
        batch_size=run.batch_size,
        mesh=run.mesh,
        on_compiled=meter.restart,
        shard_state=run.shard_state,
        compiler_options=run.compiler_options,
    )
    evaluation = None

    with Interruption() as interruption, profile:
        profile.at(step, state)
        for count in call_lengths(run, step, profile):
            state, report = dispatch(state, step, count)
            step += count
            profile.at(step, state)
            meter.push(step, report)
            evaluation = None
            if due(step, run.evaluate_every, run.steps):
                meter.settle()
                evaluation = run.evaluate(state)
                meter.add({f"eval/{name}": value for name, value in evaluation.items()})
            # Asked once: what arrives while the state is saved is for the next step to see.
            stopped = interruption.agreed()
            if due(step, run.save_every, run.steps) or stopped:
                meter.flush()
                checkpoints.save(state, evaluation)
                meter.restart()
            if stopped and step < run.steps:
                return {"step": step, "stopped": stopped}
    return {"step": step, **(evaluation or run.evaluate(state))}


def due(step: int, every: int, steps: int) -> bool:
    """Whether something that happens every so many steps, and at the end, happens now."""
    return step == steps or (every > 0 and step % every == 0)


def call_lengths(run: Run, step: int, profile: Profile) -> Iterator[int]:
    """Yields how many steps each call makes, so that none passes an event.

    Events are evaluations, saves, edges of the profile and changes of the images' size.
    """
    events = [every for every in (run.evaluate_every, run.save_every) if every]
    while step < run.steps:
        ends = [run.steps, step + run.steps_per_call]
        ends += [(step // every + 1) * every for every in events] + profile.boundaries(step)
        ends += [change for change in run.size_changes if change > step]
        yield min(ends) - step
        step = min(ends)
