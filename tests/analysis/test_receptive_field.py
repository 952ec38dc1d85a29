"""Receptive fields by hand, and by the pixels that do change a network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.tiny import abstract_variables, network

from resnet_jax.analysis.studies import receptive_field
from resnet_jax.analysis.subject import Examples
from resnet_jax.models import create
from resnet_jax.models.pooling import ANTIALIASING, STEM_POOLS


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        # 3; six convolutions, 2 each; one of 2, five of 4; one of 4, five of 8.
        ("cifar_resnet20_a", {(1, 3): 15, (2, 3): 37, (3, 3): 81}),
        # 7, then 4 of the pool; 4 x 8; 8 + 3 x 16; 16 + 3 x 32; 32 + 3 x 64.
        ("resnet18", {(1, 2): 43, (2, 2): 99, (3, 2): 211, (4, 2): 435}),
        # 3x3 alone count: 3 x 8; 8 + 3 x 16; 16 + 5 x 32; 32 + 2 x 64.
        # One 3x3 where the shape changes, else three of four scales: 7 + 4, 8 + 2 x 24; 8 + 3 x 48.
        ("res2net50_26w_4s", {(1, 3): 67, (2, 4): 219}),
        # The stem's 3; 4, since the first stage halves too; 8; 16 + 3 x 32; 32 + 6 x 64.
        ("regnetx_002", {(1, 1): 7, (2, 1): 15, (3, 4): 127, (4, 7): 543}),
        ("resnet50", {(1, 3): 35, (2, 4): 91, (3, 6): 267, (4, 3): 427}),
    ],
)
def test_fields_by_hand(name, sizes):
    fields = receptive_field.theoretical(create(name, classes=10))
    assert {place: fields[receptive_field.Name(*place)].size for place in sizes} == sizes


# The field and the stride behind a stem's 3x3 convolution and its pool.
BEHIND_POOLS = {
    "none": (3, 1),
    "max": (5, 2),
    "max_with_zeros": (5, 2),
    "max_from_corner": (5, 2),
    "max_blur": (7, 2),  # 3x3 maxima at every position, then 3x3 at every other
    "average": (4, 2),
    "convolution": (5, 2),
}


@pytest.mark.parametrize("pool", STEM_POOLS)
def test_fields_behind_every_pool(pool):
    assert pool in BEHIND_POOLS, f"say in BEHIND_POOLS what stem_pool '{pool}' does to a field"
    size, stride = BEHIND_POOLS[pool]
    model = network(norm="none", stage_depths=(1, 1), stem_pool=pool)
    fields = receptive_field.theoretical(model)
    # The second stage's first convolution still sees positions that are `stride` apart.
    assert fields[receptive_field.Name(1, 1)] == (size + 4 * stride, stride)
    assert fields[receptive_field.Name(2, 1)] == (size + 10 * stride, 2 * stride)


def test_fields_behind_transitions():
    model = network(norm="none", stage_depths=(1, 2), first_stride=2,
                    transition="convolution_and_pool")  # fmt: skip
    fields = receptive_field.theoretical(model)
    # The stem's 3, a convolution's 2, a pool's 1; two convolutions with positions 2 apart.
    assert fields[receptive_field.Name(1, 1)] == (3 + 2 + 1 + 2 * 4, 2)
    # 2 x 2 and 2; then two convolutions in each block with positions 4 apart.
    assert fields[receptive_field.Name(2, 2)] == (14 + 4 + 2 + 4 * 8, 4)


def test_fields_behind_windows_side_by_side_and_around_a_stage():
    model = network(norm="none", stage_depths=(1, 1), transition="norm_and_convolution")
    fields = receptive_field.theoretical(model)
    # The stem's 3, two convolutions; a window of 2, two convolutions with positions 2 apart.
    assert fields[receptive_field.Name(1, 1)] == (3 + 2 * 2, 1)
    assert fields[receptive_field.Name(2, 1)] == (7 + 1 + 2 * 4, 2)
    model = network(norm="none", stage_depths=(1, 1), transition="cross_stage")
    fields = receptive_field.theoretical(model)
    assert fields[receptive_field.Name(1, 1)] == (7, 1)
    assert fields[receptive_field.Name(2, 1)] == (7 + 2 + 2 * 4, 2)


# The second stage's field where an anti-aliased convolution has stride 1 and a pool follows it.
BEHIND_ANTIALIASING = {"none": 13, "average": 14, "blur": 15, "blur_before": 15}


@pytest.mark.parametrize("antialias", ANTIALIASING)
def test_every_pixel_of_the_field_counts_and_none_beside_it(antialias):
    """Kernels of ones on positive images: the gradient vanishes where the theory says, only."""
    assert antialias in BEHIND_ANTIALIASING, f"say in BEHIND_ANTIALIASING what '{antialias}' does"
    model = network(norm="none", stage_depths=(1, 1), antialias=antialias)
    variables = jax.tree.map(
        lambda leaf: jnp.full(leaf.shape, 0.01, leaf.dtype), abstract_variables(model)
    )
    images = np.ones((1, 32, 32, 3), np.float32)
    sizes = receptive_field.effective(model, variables, Examples(images, np.zeros(1)), 1)
    theory = receptive_field.theoretical(model)[receptive_field.Name(2, 1)]
    # 3, 2 x 2, then 2, the pool's, and 4.
    assert theory == receptive_field.Field(BEHIND_ANTIALIASING[antialias], 2)
    rows, columns = np.nonzero(sizes)
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == theory.size
    assert (sizes > 0).sum() == theory.size**2 and sizes.max() == 1


def test_the_side_of_an_effective_field():
    sizes = np.zeros((9, 9))
    sizes[2:6, 2:6] = 0.5
    sizes[0, 0] = 0.04
    assert receptive_field.side(sizes) == 4.0
