"""Which layers an optimizer treats in which way."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from resnet_jax.models.building import resnet
from resnet_jax.training.optim import lamb, lars, muon, optimizer


@pytest.mark.parametrize("row", [lars, lamb])
def test_layers_of_scanned_blocks_are_adapted_one_by_one(row):
    """Stacked under `blocks`, or each block for itself: the same updates."""
    draw = np.random.default_rng(0)
    # Blocks of different sizes.
    sizes = np.array([1, 10, 100])
    stacked = {
        "conv1": {"kernel": draw.normal(size=(3, 1, 1, 2, 2)) * sizes.reshape(3, 1, 1, 1, 1)},
        "norm1": {"bias": draw.normal(size=(3, 4)) * sizes.reshape(3, 1)},
    }
    stacked = jax.tree.map(jnp.asarray, stacked)
    gradients = jax.tree.map(jnp.cos, stacked)
    transformation = optimizer(row)(optax.constant_schedule(0.1), 0.01)

    def update(gradients, params):
        return transformation.update(gradients, transformation.init(params), params)[0]

    together = update({"blocks": gradients}, {"blocks": stacked})["blocks"]
    for number in range(3):
        pick = partial(jax.tree.map, lambda leaf, n=number: leaf[n])
        alone = update(pick(gradients), pick(stacked))
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), pick(together), alone)


@pytest.mark.parametrize(
    ("stem", "first"),
    [
        ("cifar", "stem_conv"),
        pytest.param("deep", "stem_conv1", marks=pytest.mark.slow),
    ],
)
def test_muon_is_for_all_convolutions_but_the_first(stem, first):
    """README of KellerJordan/Muon. Adam's first update is the gradient's sign."""
    network = resnet(family="cifar", classes=3, stage_depths=(1,), widths=(2,), stem_width=2,
                     stem=stem)  # fmt: skip
    init = partial(network.init, train=False)
    params = jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))["params"]
    ones = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), params)
    transformation = optimizer(muon)(optax.constant_schedule(1.0), 0.0)
    updates, _ = jax.jit(transformation.update)(ones, transformation.init(ones), ones)
    signs = jax.tree.map(lambda update: bool(jnp.allclose(update, -1.0, atol=1e-4)), updates)
    by_adam = jax.tree.map(lambda leaf, sign: leaf.ndim == 4 and sign, params, signs)
    paths = [path for path, on in jax.tree_util.tree_leaves_with_path(by_adam) if on]
    assert [path[0].key for path in paths] == [first]
