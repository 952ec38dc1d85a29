"""What other rooms must get right of every row of every table of a network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.analysis import counts
from resnet_jax.models.building import TABLES, resnet
from resnet_jax.weights import to_tensors, to_variables

SMALL = {
    "family": "cifar", "classes": 3, "stage_depths": (2,), "widths": (8,), "stem_width": 4,
}  # fmt: skip
# What a row needs beside it.
BESIDE = {
    ("norm", "evo"): {"arrangement": "full_preactivation"},
    ("norm", "filter_response"): {"arrangement": "full_preactivation"},
    ("branch", "partial_bottleneck"): {"transition": "cross_stage"},
    ("branch", "convnext"): {"transition": "norm_and_convolution"},
    ("stem", "quadruple"): {"stem_width": 8},
    ("stem", "quadruple_linear"): {"stem_width": 8},
    ("family", "imagenet"): {"family": "imagenet"},
    **{
        ("shortcut", name): {"arrangement": "full_preactivation"}
        for name, row in TABLES["shortcut"].items()
        if not row.after
    },
}
ROWS = [(key, name) for key, table in TABLES.items() for name in table if key != "dtype"]
IMAGE = (8, 8, 3)


def network(key, name):
    """A small network with this row, and variables that are all different, as variances can be."""
    model = resnet(**{**SMALL, key: name, **BESIDE.get((key, name), {})})
    shapes = jax.eval_shape(
        lambda: model.init(jax.random.key(0), jnp.zeros((1, *IMAGE)), train=False)
    )
    draw = np.random.default_rng(0).random
    return model, jax.tree.map(lambda leaf: draw(leaf.shape, np.float32), shapes)


@pytest.mark.parametrize(("key", "name"), [*ROWS, ("branch_gain", 0.5)])
def test_every_parameter_is_counted_exported_and_read_back(key, name):
    model, variables = network(key, name)
    layers = counts.layers(model, IMAGE)
    assert sum(layer.parameters for layer in layers) == sum(
        leaf.size for leaf in jax.tree.leaves(variables["params"])
    )
    tensors = to_tensors(model, variables)
    back = to_variables(model, tensors).variables
    jax.tree.map(np.testing.assert_array_equal, variables, back)


def test_the_scalar_biases_of_fixup_are_counted():
    model = resnet(family="cifar", classes=10, depth=8, norm="fixup")
    shapes = jax.eval_shape(
        lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)
    )
    every = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    assert sum(layer.parameters for layer in counts.layers(model, (32, 32, 3))) == every == 77_387
