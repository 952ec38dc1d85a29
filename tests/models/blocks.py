"""Blocks for the tests, and in numpy what a block returns whose branch is zero."""

import jax
import numpy as np

from resnet_jax.models.arrangements import ARRANGEMENTS
from resnet_jax.models.connections.record import Shortcut
from resnet_jax.models.layers import Layers
from resnet_jax.models.norms import NORMS
from resnet_jax.models.residual import Block, ResidualBlock
from resnet_jax.models.shortcuts import SHORTCUTS

KEY = jax.random.key(0)
# The rows that add F(x) to a function of x.
ADDING = [name for name, row in SHORTCUTS.items() if isinstance(row, Shortcut)]


def parts(arrangement, branch, shortcut, *, train, norm=True, **choices):
    """What a block has in common with others, and its layers."""
    arrangement = ARRANGEMENTS[arrangement]
    arrangement = arrangement if norm else arrangement.without_norm()
    block = Block(branch, arrangement, SHORTCUTS[shortcut], **choices)
    kind = NORMS["batch" if norm else "none"]
    return block, Layers(kind, projection_norm=arrangement.projection_norm, train=train)


def a_block(*choices, width, stride=1, **more):
    return ResidualBlock(*parts(*choices, **more), width, stride)


def relu(x):
    return np.maximum(x, 0)


# What each shortcut does, in numpy: (x, params, batch_stats, features, stride) -> output.


def eval_norm(x, params, stats):
    scale = params["scale"] / np.sqrt(stats["var"] + 1e-5)
    return (x - stats["mean"]) * scale + params["bias"]


def padded(x, params, stats, features, stride):
    x = x[:, ::stride, ::stride]
    return np.pad(x, [(0, 0)] * 3 + [(0, features - x.shape[-1])])


def projected(x, params, stats, features, stride):
    x = x[:, ::stride, ::stride] @ params["projection"]["kernel"][0, 0]
    if "projection_norm" not in params:
        return x
    return eval_norm(x, params["projection_norm"], stats["projection_norm"])


def where_shapes_differ(function):
    def shortcut(x, params, stats, features, stride):
        if stride == 1 and x.shape[-1] == features:
            assert "projection" not in params
            return x
        return function(x, params, stats, features, stride)

    return shortcut


def pooled(x, params, stats, features, stride):
    if stride == 2:
        batch, height, width, channels = x.shape
        rows, columns = -(-height // 2), -(-width // 2)
        sums = np.zeros((batch, rows, columns, channels))
        counts = np.zeros((rows, columns, 1))
        for i in range(height):
            for j in range(width):
                sums[:, i // 2, j // 2] += x[:, i, j]
                counts[i // 2, j // 2] += 1
        x = sums / counts
    return projected(x, params, stats, features, 1)


def gated(x, params, stats, features, stride):
    z = x[:, ::stride, ::stride] @ params["gate"]["kernel"][0, 0] + params["gate"]["bias"]
    return padded(x, params, stats, features, stride) / (1 + np.exp(z))


SHORTCUTS_BY_HAND = {
    "A": padded,
    "B": where_shapes_differ(projected),
    "C": projected,
    "D": where_shapes_differ(pooled),
    "none": lambda x, params, stats, features, stride: np.float32(0),
    "identity_or_none": where_shapes_differ(lambda *args: np.float32(0)),
    "constant_scaling": lambda *args: 0.5 * padded(*args),
    "exclusive_gating": gated,
    "shortcut_only_gating": gated,
    "convolution_1x1": projected,
    "dropout": padded,
}

# What an arrangement does to x before shortcut and branch; nothing in the others.
BEFORE_BY_HAND = {
    "shared_preactivation": lambda x, params, stats: np.maximum(
        eval_norm(x, params["norm1"], stats["norm1"]), 0
    ),
}

AFTER_BY_HAND = {
    "original": lambda y, params, stats: np.maximum(y, 0),
    "bn_after_addition": lambda y, params, stats: np.maximum(
        eval_norm(y, params["norm_after"], stats["norm_after"]), 0
    ),
    "relu_before_addition": lambda y, params, stats: y,
    "relu_around_addition": lambda y, params, stats: np.maximum(y, 0),
    "relu_only_preactivation": lambda y, params, stats: y,
    "full_preactivation": lambda y, params, stats: y,
    "branch_preactivation": lambda y, params, stats: y,
    "shared_preactivation": lambda y, params, stats: y,
    "linear": lambda y, params, stats: y,
    "pyramid": lambda y, params, stats: y,
    "convnext": lambda y, params, stats: y,
}


def by_hand(arrangement, shortcut, variables, x, features, stride):
    """What a block returns whose branch is zero."""
    params, stats = variables["params"], variables.get("batch_stats", {})
    assert shortcut in SHORTCUTS_BY_HAND, (
        f"write in SHORTCUTS_BY_HAND of tests/models/blocks.py what shortcut '{shortcut}' does, in"
        " NumPy"
    )
    assert arrangement in AFTER_BY_HAND, (
        f"write in AFTER_BY_HAND of tests/models/blocks.py what arrangement '{arrangement}' does"
        " after the addition, in NumPy"
    )
    if arrangement in BEFORE_BY_HAND:
        x = BEFORE_BY_HAND[arrangement](x, params, stats)
    direct = SHORTCUTS_BY_HAND[shortcut](x, params, stats, features, stride)
    return AFTER_BY_HAND[arrangement](direct, params, stats)


def silence(params, last):
    """Zeroes what ends the branch: the last convolution, and its norm where there is one.

    Of a pyramid, that norm has the next number, since one stands before the first convolution.
    """
    ending = {f"conv{last}", f"norm{last}", f"norm{last + 1}"} & set(params)
    return {**params, **{name: jax.tree.map(np.zeros_like, params[name]) for name in ending}}
