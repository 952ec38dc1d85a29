"""Batch statistics recomputed over training examples for parameters that no longer move.

'Deep Residual Learning' evaluates with statistics of the training set and not with running
averages; Wu & Johnson, arXiv 2105.07576, section 3, compare the two.
"""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp

from resnet_jax.data.contract import Batch
from resnet_jax.tables import UserError
from resnet_jax.training.steps import Apply

Tree = Any


def of_batch(apply: Apply, params: Tree, like: Tree, batch: Batch) -> Tree:
    """Returns the statistics of one batch, as a tree like the running averages.

    Args:
      apply: of a network whose norms have momentum 0, so that they store a batch's statistics.
      like: running averages; their values have no effect.
    """
    variables = {"params": params, "batch_stats": like}
    rngs = {"dropout": jax.random.key(0)}
    _, changed = apply(variables, batch.images, train=True, mutable=["batch_stats"], rngs=rngs)
    return changed.get("batch_stats", {})


def pool(statistics: Iterable[Tree]) -> Tree:
    """Means and variances of all batches together, from those of each; batches have equal sizes.

    The variance is the mean of the variances plus the variance of the means.
    """
    totals, count = None, 0
    for tree in statistics:
        moments = _map_norms(
            lambda norm: {"mean": norm["mean"], "square": norm["var"] + norm["mean"] ** 2}, tree
        )
        totals = moments if totals is None else jax.tree.map(jnp.add, totals, moments)
        count += 1
    if count == 0:
        raise UserError("recalibration needs at least one batch: set eval.recalibration_steps")
    means = jax.tree.map(lambda total: total / count, totals)

    def central(norm: Tree) -> Tree:
        # The difference of squares can fall below zero by rounding.
        var = jnp.maximum(norm["square"] - norm["mean"] ** 2, 0)
        return {"mean": norm["mean"], "var": var}

    return _map_norms(central, means)


def _map_norms(function: Any, tree: Tree) -> Tree:
    """Applies the function to every dictionary that holds the moments of one norm."""
    if "mean" in tree:
        return function(tree)
    return {key: _map_norms(function, value) for key, value in tree.items()}
