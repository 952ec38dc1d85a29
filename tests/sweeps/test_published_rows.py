"""Rows of experiments/ against the tables of the papers that their figures come from."""

import math

import jax
import jax.numpy as jnp
import pytest
from command_line import ROOT

from resnet_jax.assembly import Assembly, configuration
from resnet_jax.sweeps import experiment


def paper(name):
    """The configuration of each row of an experiment's paper scale, by the row's name."""
    tasks = experiment.tasks(experiment.load(ROOT / "experiments" / name), "paper", 1)
    return {task.row.name: task for task in tasks}


def parameters(task):
    """Counted with scanned blocks, which are traced once."""
    config = configuration.read(experiment.extend(task.config, "model.scan_blocks=True"))
    images = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    model = Assembly(config).model
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(variables["params"]))


@pytest.mark.parametrize(
    ("row", "millions", "error"),
    [
        ("B(1,3,1)", 1.4, 6.06),
        ("B(3,1)", 1.2, 5.78),
        ("B(1,3)", 1.3, 6.42),
        ("B(3,1,1)", 1.3, 5.86),
        ("B(3,3)", 1.5, 5.73),
        ("B(3,1,3)", 1.1, 5.78),
    ],
)
def test_blocks_of_wide_residual_networks(row, millions, error):
    """arXiv 1605.07146, Table 2."""
    task = paper("block")[row]
    assert round(parameters(task) / 1e6, 1) == millions
    assert task.row.published == error
