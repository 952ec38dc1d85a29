"""What the tests of the models share."""

import jax
import numpy as np
import pytest


def _drawn(module, *args, **options):
    """Variables of the right shapes and types, drawn by numpy.

    Nothing is compiled to make them, and no scale, bias or running statistic has its trivial value.
    """
    keys = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
    shapes = jax.eval_shape(lambda: module.init(keys, *args, **options))
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        low = 0.5 if path[-1].key in ("scale", "var") else -1
        return rng.uniform(low, low + 1.5, leaf.shape).astype(leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, shapes)


@pytest.fixture(scope="session")
def drawn():
    return _drawn


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(1)
