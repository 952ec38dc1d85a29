"""The two parameter layouts of a stage's equal blocks, and the way between them.

Unrolled, a stage holds `block2`, `block3`, ...; scanned, it holds `blocks`, whose arrays carry a
leading axis of that length. The layouts hold the same numbers. Both functions take any tree of
dictionaries in which stages appear: parameters, batch statistics, or a whole training state.
"""

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

Tree = Any


def initial(model: Any, key: Array, image: Array) -> Tree:
    """Variables of a new network, in its own layout.

    They are drawn in the scanned layout, whose compile time does not grow with depth, so that both
    layouts start from the same numbers.
    """
    if not model.alike:
        return model.init(key, image, train=False)
    variables = model.clone(scan_blocks=True).init(key, image, train=False)
    return variables if model.scan_blocks else unstack_blocks(variables)


def stack_blocks(tree: Tree) -> Tree:
    """Unrolled layout -> scanned layout."""
    return _map_stages(_stack, tree)


def unstack_blocks(tree: Tree) -> Tree:
    """Scanned layout -> unrolled layout."""
    return _map_stages(_unstack, tree)


def _map_stages(convert: Callable[[dict], dict], tree: Tree) -> Tree:
    def map_dict(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        return {
            key: convert(value) if re.fullmatch(r"stage\d+", key) else map_dict(value)
            for key, value in node.items()
        }

    return jax.tree.map(map_dict, tree, is_leaf=lambda node: isinstance(node, dict))


def _stack(stage: dict) -> dict:
    numbers = sorted(int(key[5:]) for key in stage if re.fullmatch(r"block\d+", key))
    equal = [f"block{number}" for number in numbers if number > 1]
    if not equal:
        return stage
    kept = {key: value for key, value in stage.items() if key not in equal}
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(stage[key] for key in equal))
    return {**kept, "blocks": stacked}


def _unstack(stage: dict) -> dict:
    if "blocks" not in stage:
        return stage
    kept = {key: value for key, value in stage.items() if key != "blocks"}
    length = len(jax.tree.leaves(stage["blocks"])[0])
    unstacked = {
        f"block{index + 2}": jax.tree.map(lambda leaf, i=index: leaf[i], stage["blocks"])
        for index in range(length)
    }
    return {**kept, **unstacked}
