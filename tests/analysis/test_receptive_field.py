"""Receptive fields by hand, and by the pixels that do change a network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.tiny import SHAPE, network

from resnet_jax.analysis.studies import receptive_field
from resnet_jax.analysis.subject import Examples, initial_variables
from resnet_jax.models import create


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        # 3; six convolutions, 2 each; one of 2, five of 4; one of 4, five of 8.
        ("cifar_resnet20_a", {(1, 3): 15, (2, 3): 37, (3, 3): 81}),
        # 7, then 4 of the pool; 4 x 8; 8 + 3 x 16; 16 + 3 x 32; 32 + 3 x 64.
        ("resnet18", {(1, 2): 43, (2, 2): 99, (3, 2): 211, (4, 2): 435}),
        # 3x3 alone count: 3 x 8; 8 + 3 x 16; 16 + 5 x 32; 32 + 2 x 64.
        ("resnet50", {(1, 3): 35, (2, 4): 91, (3, 6): 267, (4, 3): 427}),
    ],
)
def test_fields_by_hand(name, sizes):
    fields = receptive_field.theoretical(create(name, classes=10))
    assert {place: fields[receptive_field.Name(*place)].size for place in sizes} == sizes


def test_every_pixel_of_the_field_counts_and_none_beside_it():
    """Kernels of ones on positive images: the gradient vanishes where the theory says, only."""
    model = network(norm="none", stage_depths=(1, 1))
    variables = jax.tree.map(
        lambda leaf: jnp.full_like(leaf, 0.01), initial_variables(model, SHAPE, 0)
    )
    images = np.ones((1, 32, 32, 3), np.float32)
    sizes = receptive_field.effective(model, variables, Examples(images, np.zeros(1)), 1)
    theory = receptive_field.theoretical(model)[receptive_field.Name(2, 1)]
    assert theory == receptive_field.Field(13, 2)  # 3, 2 x 2, then 2 and 4
    rows, columns = np.nonzero(sizes)
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == theory.size
    assert (sizes > 0).sum() == theory.size**2 and sizes.max() == 1


def test_the_side_of_an_effective_field():
    sizes = np.zeros((9, 9))
    sizes[2:6, 2:6] = 0.5
    sizes[0, 0] = 0.04
    assert receptive_field.side(sizes) == 4.0
