"""Everything that a run carries from one step to the next, as one pytree."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int32

from resnet_jax.training.optimizers.schedule_free import averaged

Tree = Any


class TrainState(flax.struct.PyTreeNode):
    """The state of a run.

    Attributes:
      step: number of updates made.
      params: the parameters, which the optimizer changes.
      batch_stats: running averages of the norms.
      opt_state: the optimizer's memory.
      ema: averages of {"params", "batch_stats"}, or None where the run keeps none.
    """

    step: Int32[Array, ""]
    params: Tree
    batch_stats: Tree
    opt_state: optax.OptState
    ema: Tree

    @classmethod
    def create(
        cls, variables: Tree, optimizer: optax.GradientTransformation, *, ema: bool
    ) -> "TrainState":
        params, batch_stats = variables["params"], variables.get("batch_stats", {})
        return cls(
            step=jnp.int32(0),
            params=params,
            batch_stats=batch_stats,
            opt_state=optimizer.init(params),
            # A donated state must not hold one buffer twice.
            ema=jax.tree.map(jnp.copy, {"params": params, "batch_stats": batch_stats})
            if ema
            else None,
        )

    @property
    def variables(self) -> Tree:
        """The variables that the network uses in training."""
        return {"params": self.params, "batch_stats": self.batch_stats}

    @property
    def eval_variables(self) -> Tree:
        """The variables that the network uses in evaluation: the averages where it keeps them."""
        if self.ema is not None:
            return self.ema
        return {**self.variables, "params": averaged(self.params, self.opt_state)}
