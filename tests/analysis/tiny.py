"""Tiny networks that several analyses are tested on."""

import jax
import numpy as np

from resnet_jax.analysis.subject import Examples, initial_variables
from resnet_jax.models.building import resnet

SHAPE = (8, 8, 3)


def network(**changes):
    options = {"family": "cifar", "classes": 3, "stage_depths": (2, 2), "widths": (4, 8),
               "stem_width": 4, "shortcut": "A", **changes}  # fmt: skip
    return resnet(**options)


def variables_of(model, seed=0):
    """Initial variables with every array moved a little, so that no scale or mean is trivial."""
    variables = initial_variables(model, SHAPE, seed)
    leaves, structure = jax.tree.flatten(variables)
    draw = np.random.default_rng(seed)
    moved = [leaf + np.float32(0.1) * draw.random(leaf.shape, np.float32) for leaf in leaves]
    return structure.unflatten(moved)


def examples() -> Examples:
    draw = np.random.default_rng(0)
    images = draw.standard_normal((6, *SHAPE)).astype(np.float32)
    return Examples(images, np.array([0, 1, 2, 0, 1, 2], np.int32))
