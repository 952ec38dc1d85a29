"""Training of a smaller network: after pruning, with rounded weights, or from a teacher."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int32

from resnet_jax.compression.pruning import masked
from resnet_jax.data.contract import Data, Picks
from resnet_jax.reporting.reports import Reports
from resnet_jax.tables import UserError
from resnet_jax.training import parallel
from resnet_jax.training.loop import Member, train_together
from resnet_jax.training.optim import Numbers
from resnet_jax.training.profile import Profile
from resnet_jax.training.run import Run
from resnet_jax.training.state import TrainState, Tree
from resnet_jax.training.steps import Apply, Objective, TrainStep, class_objective

WEIGHT_DECAY = 1e-4


class TaughtBatch(NamedTuple):
    """A batch with a teacher's logits beside the classes."""

    images: Float[Array, "batch height width channels"]
    labels: Int32[Array, "batch"]
    mask: Bool[Array, "batch"]
    teacher_logits: Float[Array, "batch classes"]


class Taught:
    """Training examples with the logits that a teacher has for them; see data.contract.Data.

    Args:
      teacher: (variables, images) -> logits.
      variables: of the teacher.
      consistent: the teacher sees the same crop as the student (Beyer et al., arXiv 2106.05237,
        section 3), not the image as it is.
    """

    def __init__(
        self,
        data: Data,
        teacher: Callable[[Tree, Array], Array],
        variables: Tree,
        *,
        consistent: bool = True,
    ):
        self._data, self._teacher, self._consistent = data, teacher, consistent
        self.examples, self.size_changes = data.examples, data.size_changes
        self.eval_picks = data.eval_picks
        self.arrays = {"data": data.arrays, "teacher": variables}

    def train_picks(self, seed: int, step: int, batch_size: int) -> Picks:
        return self._data.train_picks(seed, step, batch_size)

    def train_batch(self, arrays: Tree, picks: Any, key: Array) -> Any:
        batch = self._data.train_batch(arrays["data"], picks, key)
        seen = batch if self._consistent else self._data.eval_batch(arrays["data"], picks)
        return TaughtBatch(*batch, self._teacher(arrays["teacher"], seen.images))

    def eval_batch(self, arrays: Tree, picks: Any) -> Any:
        return self._data.eval_batch(arrays["data"], picks)


def distillation(temperature: float, share: float) -> Objective:
    """Cross-entropy with a teacher's softened probabilities (Hinton et al., arXiv 1503.02531, 2).

    Args:
      temperature: T, which divides the logits of both; gradients are scaled by T^2.
      share: weight of the teacher's term; the rest is cross-entropy with the classes. 1 is function
        matching (Beyer et al., arXiv 2106.05237, section 3).
    """
    of_classes = class_objective()

    def objective(logits: Array, batch: TaughtBatch) -> Array:
        softened = divergence(logits / temperature, batch.teacher_logits / temperature)
        return share * temperature**2 * softened + (1 - share) * of_classes(logits, batch)

    return objective


def divergence(
    logits: Float[Array, "batch classes"], teacher: Float[Array, "batch classes"]
) -> Float[Array, "batch"]:
    """KL(teacher || student) in nats: zero where they agree."""
    log_teacher, log_student = jax.nn.log_softmax(teacher), jax.nn.log_softmax(logits)
    return (jnp.exp(log_teacher) * (log_teacher - log_student)).sum(axis=-1)


def learn(
    apply: Apply,
    variables: Tree,
    data: Data,
    *,
    steps: int,
    rate: float,
    batch_size: int = 64,
    seed: int = 0,
    objective: Objective | None = None,
    mask: Tree | None = None,
) -> Tree:
    """SGD with momentum 0.9, weight decay 1e-4 and a cosine from `rate` to 0, on one device.

    Args:
      apply: see TrainStep.
      objective: by default cross-entropy with the classes.
      mask: parameters that stay at zero, where they begin, where it is False.

    Returns:
      The variables after the last update.

    Raises:
      UserError: the loss is no longer finite, or a signal came before the last update.
    """

    def optimizer(rate: optax.Schedule, weight_decay: Any) -> optax.GradientTransformation:
        chain = [optax.add_decayed_weights(weight_decay), optax.sgd(rate, momentum=0.9)]
        if mask is not None:
            chain.append(optax.stateless(lambda updates, params: masked(updates, mask)))
        return optax.chain(*chain)

    step = TrainStep(
        apply=apply,
        optimizer=optimizer,
        schedule=optax.cosine_decay_schedule(1.0, steps),
        objective=objective or class_objective(),
    )
    mesh = parallel.make_mesh(data=1)

    def create_state() -> TrainState:
        state = TrainState.create(variables, optimizer(step.schedule, 0.0), ema=False)
        # A copy, since an update donates the state, and the caller keeps the variables.
        return jax.device_put(jax.tree.map(jnp.copy, state), parallel.replicated(mesh))

    run = Run(
        mesh=mesh,
        data=data,
        train_step=step,
        numbers=Numbers(rate, WEIGHT_DECAY),
        seed=seed,
        batch_size=batch_size,
        create_state=create_state,
        abstract_state=jax.eval_shape(create_state),
        evaluate=lambda state: {},
        steps=steps,
    )
    member = Member(run, None, Reports([]))
    stopped = train_together([member], Profile())
    if stopped:
        raise UserError(
            f"{stopped} came after {member.step} of {steps} updates of the smaller network, and"
            " nothing was written: start again"
        )
    if member.diverged is not None:
        reason = str(member.diverged).partition(":")[0]
        raise UserError(f"the smaller network can't be trained, {reason}: lower --rate")
    found = jax.tree.map(jnp.asarray, jax.device_get(member.state.variables))
    return found if found["batch_stats"] else {"params": found["params"]}
