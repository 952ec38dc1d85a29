"""Reversible blocks: gradients without the states that others keep."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from models.connections.networks import network, step

from resnet_jax.models.scan import stack_blocks


def storing(model):
    """The same network, whose states autodiff keeps."""
    shortcut = replace(model.block.shortcut, inverse=None)
    return model.clone(block=replace(model.block, shortcut=shortcut))


@pytest.mark.parametrize("scan", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_gradients_and_statistics_are_those_of_autodiff(scan, rng, drawn, float64):
    model = network("reversible", stage_depths=(3, 2), dtype="float64", dropout=0.2, survival=0.5,
                    scan_blocks=scan)  # fmt: skip
    images = rng.normal(size=(4, 6, 6, 3))
    variables = drawn(network("reversible", dtype="float64"), images, train=False)
    variables = stack_blocks(variables) if scan else variables
    # Without random choices, which the two draw differently.
    certain = model.clone(survival=1.0, block=replace(model.block, dropout=0.0))
    found, expected = (
        jax.jit(partial(step, of))(variables, images, variables["params"])
        for of in (certain, storing(certain))
    )
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-9), found, expected)
    moved = jax.tree.leaves(found[0][1][1]["batch_stats"]["stage1"])
    before = jax.tree.leaves(variables["batch_stats"]["stage1"])
    assert all(not np.allclose(a, b) for a, b in zip(moved, before, strict=True))


def test_random_choices_are_the_same_forward_and_backward(rng, drawn, float64):
    """Else the state before a block would not be what its gradients are computed with."""
    model = network("reversible", stage_depths=(3,), widths=(4,), dtype="float64", dropout=0.2,
                    survival=0.5, norm="none")  # fmt: skip
    images = rng.normal(size=(4, 4, 4, 3))
    variables = drawn(model, images, train=False)
    run = jax.jit(partial(step, model))
    _, gradients = run(variables, images, variables["params"])
    direction = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), variables["params"])

    def loss(length):
        params = jax.tree.map(lambda p, d: p + length * d, variables["params"], direction)
        return run(variables, images, params)[0][0]

    slope = (loss(1e-6) - loss(-1e-6)) / 2e-6
    products = jax.tree.map(lambda g, d: (g * d).sum(), gradients, direction)
    np.testing.assert_allclose(sum(jax.tree.leaves(products)), slope, rtol=1e-6)


def kept_values(model, images):
    """Values with an axis of the batch that a step keeps from its forward for its backward pass."""

    def pulled():
        key = jax.random.key(0)
        variables = model.init(key, images, train=False)

        def logits(params):
            return model.apply({**variables, "params": params}, images, train=True,
                               mutable=["batch_stats"])[0]  # fmt: skip

        return jax.vjp(logits, variables["params"])[1]

    leaves = jax.tree.leaves(jax.eval_shape(pulled))
    return sum(leaf.size for leaf in leaves if leaf.shape[:1] == images.shape[:1])


@pytest.mark.parametrize("scan", [False, True])
def test_what_a_stage_keeps_does_not_grow_with_its_depth(scan):
    images = np.zeros((7, 8, 8, 3), np.float32)
    small, large, without = (
        kept_values(model, images)
        for model in (
            network("reversible", stage_depths=(2,), widths=(4,), scan_blocks=scan),
            network("reversible", stage_depths=(6,), widths=(4,), scan_blocks=scan),
            storing(network("reversible", stage_depths=(6,), widths=(4,))),
        )
    )
    assert small == large > 0
    assert without > 2 * large


def test_evaluation_is_that_of_the_stored_network(rng, drawn):
    model = network("reversible", stage_depths=(2,), widths=(4,))
    images = rng.normal(size=(2, 4, 4, 3)).astype(np.float32)
    variables = drawn(model, images, train=False)
    np.testing.assert_array_equal(
        model.apply(variables, images, train=False),
        storing(model).apply(variables, images, train=False),
    )
