"""An assembled run: what computes its steps, and when it reports, evaluates and saves."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from jax.sharding import Mesh

from resnet_jax.data.contract import Data
from resnet_jax.training.optim import Numbers
from resnet_jax.training.state import TrainState, Tree

Metrics = dict[str, Any]
# What is entered while a step is compiled.
Compiling = Callable[[], AbstractContextManager[Any]]


class Run(NamedTuple):
    """An assembled run.

    Attributes:
      mesh: of the devices that it computes on.
      data: the training split.
      train_step: (state, batch, key, numbers) -> new state and report; see steps.TrainStep.
      numbers: learning rate and weight decay.
      seed: of the data order and of every random choice in a step.
      create_state: makes a new state, placed on the mesh.
      abstract_state: shapes and types of a state, and where its arrays lie.
      evaluate: state -> examples, loss, top1 and top5 of the evaluation split.
      steps: updates in all.
      shard_state: see parallel.Placement.
      steps_per_call: updates that one compiled call makes.
      compiler_options: XLA's, of the training step; see compilation.
      choices: folder for what autotuning chose; see compilation.compile_step.
      patience: evaluations without a better top-1 after which the run ends; None: it does not.
      report_every, evaluate_every, save_every: steps from one to the next; 0: only at the end.
    """

    mesh: Mesh
    data: Data
    train_step: Callable[[TrainState, Any, Any, Numbers], tuple[TrainState, Tree]]
    numbers: Numbers
    seed: int
    batch_size: int
    create_state: Callable[[], TrainState]
    abstract_state: TrainState
    evaluate: Callable[[TrainState], Metrics]
    steps: int
    shard_state: bool = False
    steps_per_call: int = 1
    compiler_options: Mapping[str, Any] = {}
    choices: Path | None = None
    patience: int | None = None
    report_every: int = 0
    evaluate_every: int = 0
    save_every: int = 0

    @property
    def size_changes(self) -> Sequence[int]:
        """Each step at which the images' size changes."""
        return self.data.size_changes
