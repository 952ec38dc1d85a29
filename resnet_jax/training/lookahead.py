"""Lookahead: every few updates, slow weights move towards the fast ones, which go on from them.

Zhang et al., 'Lookahead Optimizer: k steps forward, 1 step back', arXiv 1907.08610.
Running averages of norms belong to the weights: they move in the same way, as in airbench94.py. The
slow weights are the averages of the training state, so they are what is evaluated and exported.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from resnet_jax.tables import Table
from resnet_jax.tables.domains import BelowOne, Positive, PositiveInt

Tree = Any


class Lookahead(NamedTuple):
    """When slow weights move, and how far.

    Attributes:
      every: updates from one move to the next.
      decay: share of the run that is over -> what the slow weights keep of themselves.
    """

    every: int
    decay: Callable[[Array], Any]

    def __call__(self, slow: Tree, fast: Tree, made: Array, steps: int) -> tuple[Tree, Tree]:
        """The slow and the fast weights after an update.

        Args:
          made: updates made, this one among them.
          steps: updates in the whole run; after the last one nothing moves but on a multiple of
            `every`.
        """
        moves = made % self.every == 0
        keeps = jnp.where(moves, self.decay(made / steps), 1.0)

        def moved(slow: Array, fast: Array) -> Array:
            return (slow + (1 - keeps) * (fast - slow)).astype(slow.dtype)

        slow = jax.tree.map(moved, slow, fast)
        return slow, jax.tree.map(lambda slow, fast: jnp.where(moves, slow, fast), slow, fast)


def constant(every: PositiveInt = 5, decay: BelowOne = 0.5) -> Lookahead:
    """The slow weights keep the same share at every move: 1 - alpha of the paper.

    Args:
      every: updates from one move to the next: k of the paper.
      decay: what the slow weights keep.
    """
    return Lookahead(every, lambda _: decay)


def rising(every: PositiveInt = 5, decay: BelowOne = 0.95**5, power: Positive = 3.0) -> Lookahead:
    """The share that slow weights keep rises from 0 to `decay`, as decay * (k / steps)^power.

    airbench94.py (Jordan, arXiv 2404.00498).

    Args:
      every: updates from one move to the next.
      decay: what the slow weights would keep after the last update.
    """
    return Lookahead(every, lambda share: decay * share**power)


LOOKAHEADS = Table("lookahead", {"constant": constant, "rising": rising})
