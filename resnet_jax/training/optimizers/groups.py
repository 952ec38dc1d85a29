"""Groups of parameters with a learning rate and a weight decay of their own, as rows of data."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from resnet_jax.tables import Table, UserError
from resnet_jax.tables.domains import NonNegative, Positive
from resnet_jax.training.optimizers.schedule_free import averages
from resnet_jax.training.optimizers.update import Params, Update


class Terms(NamedTuple):
    """How a group learns.

    Args:
      rate: factor of the learning rate, also of what an optimizer multiplies by the rate: the
        penalty's gradient or the decoupled decay.
      decay: factor of the weight decay. With decay = 1 / rate, weights decay as fast as elsewhere.
      epochs: passes over the training set after which the group stays as it is; None: it learns
        throughout the run.
    """

    rate: NonNegative = 1.0
    decay: NonNegative = 1.0
    epochs: Positive | None = None


@dataclass(frozen=True)
class Group:
    """Some parameters.

    Attributes:
      function: its options -> how the group learns.
      pattern: of the end of the parameters' paths, as in decay.DECAY_RULES.
    """

    function: Callable[..., Terms]
    pattern: str

    def holds(self, path: str) -> bool:
        """Whether the parameter with this path, joined by slashes, is one of them."""
        return re.search(f"(^|/)({self.pattern})$", path) is not None


GROUPS = Table(
    "parameter group",
    {
        "kernels": Group(Terms, r"kernel"),
        "head": Group(Terms, r"head/[^/]+"),
        "norm_biases": Group(Terms, r"[^/]*norm[^/]*/bias"),
        "norm_scales": Group(Terms, r"[^/]*norm[^/]*/scale"),
        "stem_bias": Group(Terms, r"stem_conv/bias"),
        "biases": Group(Terms, r"bias"),
    },
    Group,
)
REST = "rest"


def grouped(
    row: Callable[[Update], optax.GradientTransformation],
    update: Update,
    groups: Sequence[Group],
    in_steps: Callable[[float], int],
) -> optax.GradientTransformation:
    """The optimizer `row`, each group with its own rate and decay.

    A parameter belongs to the first group that holds it.

    Args:
      in_steps: epochs -> steps; called when an update is made.

    Raises:
      UserError: a group holds no parameter, or the optimizer can't be divided.
    """

    def of_group(group: Group) -> optax.GradientTransformation:
        own = group.function()
        made = row(
            update._replace(
                learning_rate=lambda step: own.rate * update.learning_rate(step),
                weight_decay=own.decay * update.weight_decay,
            )
        )
        if own.epochs is None:
            return made
        epochs = own.epochs
        return optax.chain(
            made,
            optax.scale_by_schedule(lambda step: jnp.where(step < in_steps(epochs), 1.0, 0.0)),
        )

    def labels(params: Params) -> Params:
        def label(path: Any, _: Any) -> str:
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            holding = (str(number) for number, group in enumerate(groups) if group.holds(name))
            return next(holding, REST)

        return jax.tree_util.tree_map_with_path(label, params)

    made = {str(number): of_group(group) for number, group in enumerate(groups)}
    divided = optax.partition({**made, REST: row(update)}, labels)

    def init(params: Params) -> optax.OptState:
        found = set(jax.tree.leaves(labels(params)))
        for number, group in enumerate(groups):
            if str(number) not in found:
                raise UserError(
                    f"optim.groups has a group of parameters '.../{group.pattern}', and this"
                    " network has none that no group before it holds: leave the group out"
                )
        memory = divided.init(params)
        if averages(memory):
            raise UserError(
                "a schedule-free optimizer averages all parameters alike: choose another"
                " optim.name, or leave optim.groups empty"
            )
        return memory

    return optax.GradientTransformationExtraArgs(init, divided.update)
