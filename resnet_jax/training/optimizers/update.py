"""What every optimizer is given beside its own options."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax

Params = Any
# The part of a path behind which the parameters of scanned blocks are stacked.
SCANNED = jax.tree_util.DictKey("blocks")


class Update(NamedTuple):
    """The arguments that every optimizer takes beside its own options.

    Attributes:
      learning_rate: of update k.
      weight_decay: coefficient of the penalty or of the decoupled decay.
      decays: parameters -> a tree of booleans: which of them decay.
    """

    learning_rate: optax.Schedule
    weight_decay: float
    decays: Callable[[Params], Params]

    @staticmethod
    def all(params: Params) -> Params:
        """The tree that says of each parameter that it is meant."""
        return jax.tree.map(lambda _: True, params)

    def l2(self) -> optax.GradientTransformation:
        """Weight decay as the gradient of an L2 penalty, as PyTorch's SGD and Adam have it."""
        return optax.add_decayed_weights(self.weight_decay, self.decays)
