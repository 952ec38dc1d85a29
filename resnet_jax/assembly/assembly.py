"""Everything that a run consists of, each thing made when first asked for."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from resnet_jax.assembly.checking import check, check_averages, check_process
from resnet_jax.assembly.evaluation import Evaluation
from resnet_jax.assembly.identity import DataFacts, Identity
from resnet_jax.assembly.inputs import Inputs
from resnet_jax.assembly.learning import (
    lookahead,
    mixing,
    objective,
    optimizer,
    rate_share,
    schedule,
)
from resnet_jax.assembly.network import network, weights_of
from resnet_jax.assembly.origin import check_origin, state_of_origin
from resnet_jax.assembly.outputs import checkpoints, profile, reports
from resnet_jax.assembly.run_folder import steps_of
from resnet_jax.assembly.start import create, initial_state, whitened
from resnet_jax.data.resident import ResidentData
from resnet_jax.data.sources.catalogue import Source
from resnet_jax.data.stream import StreamedData
from resnet_jax.models.resnet import ResNet
from resnet_jax.models.scan import stack_blocks, unstack_blocks
from resnet_jax.reporting.reports import Reports
from resnet_jax.tables import UserError, domains
from resnet_jax.training import parallel
from resnet_jax.training.checkpoint import Checkpoints
from resnet_jax.training.compilation import DETERMINISTIC, onednn_options
from resnet_jax.training.optim import Numbers, Optimizer, scaled
from resnet_jax.training.optimizers.schedule_free import averages
from resnet_jax.training.profile import Profile
from resnet_jax.training.run import Run
from resnet_jax.training.state import TrainState
from resnet_jax.training.steps import TrainStep


class Assembly:
    """The run that a configuration describes: network, data, step ..., made when first asked for.

    Args:
      platform: compile the run for it; None: the platform of this process.
      devices: compile the run for them; None: the devices that there are.
      examples: number of training examples, where the training set need not be read.
      side_by_side: the network can share convolutions with others, see models.layers.Layers.
      known: what a run that has begun knows of its data; see Inputs.

    Raises:
      UserError: a key has a value that it does not allow; later, on the first use of something,
        what the configuration says of it does not fit the data or the devices.
    """

    def __init__(
        self,
        config: ConfigDict,
        platform: str | None = None,
        *,
        devices: Sequence[Any] | None = None,
        examples: int | None = None,
        side_by_side: bool = False,
        known: DataFacts | None = None,
    ):
        check(config)
        self.config, self._known = config, known
        self._platform, self._devices, self._examples = platform, devices, examples
        self._side_by_side = side_by_side
        self._dtype = config.model.dtype
        if self._dtype == "float64" and not jax.config.jax_enable_x64:
            raise UserError(
                "model.dtype=float64 needs 64 bits, which JAX has for a whole process alone: call"
                " jax.config.update('jax_enable_x64', True) first"
            )

    @cached_property
    def inputs(self) -> Inputs:
        dtype = jnp.promote_types(self._dtype, jnp.float32)
        return Inputs(self.config, dtype, parallel.process_shard(), self._steps, self._known)

    @property
    def source(self) -> Source:
        return self.inputs.source

    @property
    def train_data(self) -> ResidentData | StreamedData:
        return self.inputs.train_data

    @property
    def eval_data(self) -> ResidentData | StreamedData:
        return self.inputs.eval_data

    @cached_property
    def model(self) -> ResNet:
        return network(
            self.config,
            classes=len(self.source.class_names),
            side_by_side=self._side_by_side,
        )

    @cached_property
    def _on_cpu(self) -> bool:
        return (self._platform or jax.default_backend()) == "cpu"

    @cached_property
    def mesh(self) -> Mesh:
        mesh = self.config.mesh
        return parallel.make_mesh(mesh.data, mesh.model, self._devices)

    @cached_property
    def placement(self) -> parallel.Placement:
        return parallel.Placement(self.mesh, self.config.mesh.shard_state)

    @cached_property
    def steps(self) -> int:
        """Updates in the whole run."""
        return self._steps(self._train_examples)

    @cached_property
    def _train_examples(self) -> int:
        return self.train_data.examples if self._examples is None else self._examples

    def _steps(self, examples: int) -> int:
        """Updates in a run whose training set has this many examples."""
        train = self.config.train
        steps = train.steps or self._epochs_in_steps(train.epochs, examples)
        if steps > domains.MOST:
            raise UserError(
                f"train.epochs={train.epochs} are {steps:,} updates, and a run has at most"
                f" {domains.MOST:,}: set fewer"
            )
        return steps

    def _in_steps(self, epochs: float) -> int:
        return self._epochs_in_steps(epochs, self._train_examples)

    def _epochs_in_steps(self, epochs: float, examples: int) -> int:
        """Epochs in steps, rounded: at least one step, unless `epochs` is 0."""
        return max(1, round(epochs * (examples / self.batch_size))) if epochs else 0

    @cached_property
    def batch_size(self) -> int:
        """Examples in one update."""
        return self.config.train.batch_size

    @cached_property
    def accumulate(self) -> int:
        """Micro-batches that a batch is split into."""
        return self.config.train.accumulate

    @cached_property
    def ema_decay(self) -> float | None:
        """What the average of the weights keeps at each update; None: no average is held."""
        return self.config.train.ema_decay

    @cached_property
    def numbers(self) -> Numbers:
        return Numbers(self.config.optim.rate, self.config.optim.weight_decay)

    @cached_property
    def schedule(self) -> optax.Schedule:
        """The learning rate of update k, as a factor of the peak rate."""
        return schedule(self.config, steps=self.steps, in_steps=self._in_steps)

    @cached_property
    def optimizer(self) -> Optimizer:
        chosen = optimizer(self.config, in_steps=self._in_steps)
        share = rate_share(self.config, self.model)

        def of_parts(rate: optax.Schedule, weight_decay: Any) -> optax.GradientTransformation:
            return scaled(chosen(rate, weight_decay), share)

        return of_parts

    @cached_property
    def train_step(self) -> TrainStep:
        """The step of this run, as a function of its numbers too."""
        parallel.check_batch(self.batch_size, self.accumulate, parallel.data_shards(self.mesh))
        return TrainStep(
            apply=self.model.apply,
            optimizer=self.optimizer,
            schedule=self.schedule,
            objective=objective(self.config),
            mixing=mixing(self.config, repeats=self.inputs.repeats),
            ema_decay=self.ema_decay,
            lookahead=lookahead(self.config),
            steps=self.steps,
            accumulate=self.accumulate,
            unroll=self._on_cpu,
        )

    def create_state(self) -> TrainState:
        """A new state on all devices, or the one of the run that `init.run` names."""
        if self.config.init.run is not None:
            check_origin(self.config, len(self.source.class_names), self.steps)
            with self.checkpoints(Path(self.config.init.run)) as checkpoints:
                return state_of_origin(checkpoints, self.abstract_state)
        shardings = self.placement.at_rest(self.abstract_state)
        return create(self.initial_state, self.config.seed, self.pretrained, shardings)

    @cached_property
    def abstract_state(self) -> TrainState:
        """Shapes and types of a state, and where its arrays lie."""
        shapes = jax.eval_shape(self.initial_state, jax.random.key(0))
        if averages(shapes.opt_state):
            check_averages(self.config, running=self.model.layers.norm.running)
        return self.placement.abstract(shapes)

    @cached_property
    def pretrained(self) -> dict:
        """Parameters and statistics that the run starts from; missing ones are drawn."""
        if self.config.init.weights is None:
            return whitened(self.config, self.model, self.inputs)
        return self.variables_from(self.config.init.weights, replace_head=True)

    def variables_from(self, path: str | Path, *, replace_head: bool = False) -> dict:
        """Variables from a file of weights, in the model's layout; see network.weights_of."""
        channels = self.source.image_shape[-1]
        return weights_of(path, self.model, channels=channels, replace_head=replace_head)

    def initial_state(self, key: jax.Array, pretrained: dict | None = None) -> TrainState:
        """The state before the first update; see start."""
        shape = self.source.image_shape
        ema = self.ema_decay is not None or lookahead(self.config) is not None
        # The structure of the optimizer's state does not depend on its numbers.
        optimizer = self.optimizer(optax.constant_schedule(0.0), 0.0)
        return initial_state(self.model, shape, optimizer, key, pretrained or {}, ema=ema)

    @cached_property
    def evaluation(self) -> Evaluation:
        where = self.placement, self.config.seed, self.batch_size
        return Evaluation(self.config, self.model, self.inputs, *where, self._same_bits)

    def run(self, workdir: Path | None = None) -> Run:
        """The run.

        Args:
          workdir: keeps what autotuning chose for the steps, on a GPU; None: nothing is kept.
        """
        config = self.config
        check_process(self._dtype)
        # Made here, so that a mistake stops the run before it starts.
        self.evaluation.make()
        if config.init.run is not None and not (workdir and steps_of(workdir)):
            check_origin(config, len(self.source.class_names), self.steps)
        train_step = self.train_step
        return Run(
            mesh=self.mesh,
            shard_state=self.placement.shard_state,
            data=self.train_data,
            create_state=self.create_state,
            abstract_state=self.abstract_state,
            numbers=self.numbers,
            train_step=train_step,
            evaluate=lambda state: self.evaluation(state.eval_variables),
            seed=self.config.seed,
            batch_size=self.batch_size,
            steps=self.steps,
            steps_per_call=config.train.steps_per_call,
            compiler_options=self.compiler_options,
            choices=workdir / "autotuning" if workdir and self._same_bits else None,
            report_every=config.report.every_steps,
            patience=config.eval.patience,
            evaluate_every=self._in_steps(config.eval.every_epochs),
            save_every=self._in_steps(config.checkpoint.every_epochs),
        )

    @cached_property
    def compiler_options(self) -> dict[str, Any]:
        """XLA's options for training steps."""
        one_cpu = self._on_cpu and self.mesh.size == 1
        onednn = onednn_options() if self.config.train.onednn and one_cpu else {}
        return {**onednn, **self._same_bits}

    @cached_property
    def _same_bits(self) -> dict[str, Any]:
        """XLA's options for equal bits in equal runs, where it has to be asked for them."""
        on_gpu = (self._platform or jax.default_backend()) in ("gpu", "cuda")
        return DETERMINISTIC if on_gpu and self.config.train.deterministic else {}

    def checkpoints(self, workdir: Path, identity: Identity | None = None) -> Checkpoints:
        """The run's checkpoints, always in the unrolled layout; one of another identity is none."""
        scanned = self.model.scan_blocks
        to_stored, from_stored = (unstack_blocks, stack_blocks) if scanned else (None, None)
        at_rest = self.placement.at_rest
        return checkpoints(self.config, workdir, to_stored, from_stored, at_rest, identity)

    def reports(self, workdir: Path) -> Reports:
        return reports(self.config, workdir, self.steps)

    def profile(self, workdir: Path) -> Profile:
        return profile(self.config, workdir)
