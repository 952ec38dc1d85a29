"""Blocks whose input follows from their output, so that training need not keep it.

RevNet, Gomez et al., arXiv 1707.04585, algorithm 1: the backward pass goes from the last block to
the first, and computes each block's input from its output before it computes the gradients.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
from jax import lax

Tree = Any


class Own(NamedTuple):
    """What a block computes with, beside its parameters and its state.

    Attributes:
      statistics: running averages before the step.
      key: of its random choices; None: it makes none.
      place: its survival and its number.
    """

    statistics: Tree
    key: Any
    place: Tree


# (params, own, state) -> the state behind the block, and its statistics after the step.
Apply = Callable[[Tree, Own, Tree], tuple[Tree, Tree]]
# (params, own, state) -> the state before the block.
Invert = Callable[[Tree, Own, Tree], Tree]


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def run_reversible(
    apply: Apply, invert: Invert, params: Any, own: Any, state: Tree
) -> tuple[Tree, Any]:
    """Applies blocks one after another; the backward pass keeps the last state alone.

    Args:
      params, own: of each block, as two lists, or as two trees whose arrays carry a leading axis.

    Returns:
      The last state, and the statistics as `own` holds them. No gradient passes the statistics.
    """

    def step(state: Tree, block: tuple[Tree, Own]) -> tuple[Tree, Tree]:
        return apply(*block, state)

    return _loop(step, state, params, own)


def _forward(
    apply: Apply, invert: Invert, params: Any, own: Any, state: Tree
) -> tuple[tuple[Tree, Any], Any]:
    last, statistics = run_reversible(apply, invert, params, own, state)
    return (last, statistics), (params, own, last)


def _backward(apply: Apply, invert: Invert, kept: Any, gradients: Any) -> tuple[Any, None, Tree]:
    params, own, last = kept

    def step(carry: tuple[Tree, Tree], block: tuple[Tree, Own]) -> tuple[Any, Tree]:
        state, gradient = carry
        its, others = block
        before = invert(its, others, state)
        _, pull, _ = jax.vjp(
            lambda its, before: apply(its, others, before), its, before, has_aux=True
        )
        by_params, by_before = pull(gradient)
        return (before, by_before), by_params

    (_, by_state), by_params = _loop(step, (last, gradients[0]), params, own, reverse=True)
    return by_params, None, by_state


run_reversible.defvjp(_forward, _backward)


def _loop(
    step: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    params: Any,
    own: Any,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """lax.scan, or a loop over lists."""
    if not isinstance(params, list):
        return lax.scan(step, carry, (params, own), reverse=reverse)
    found = [None] * len(params)
    order = range(len(params))
    for number in reversed(order) if reverse else order:
        carry, found[number] = step(carry, (params[number], own[number]))
    return carry, found
