"""Pairs of convolutions with shortcuts of their own, within a shortcut."""

import jax
import numpy as np
import pytest
from blocks import SHORTCUTS_BY_HAND, a_block, relu, silence

from resnet_jax.models.branches import deep


@pytest.mark.parametrize("arrangement", ["original", "full_preactivation"])
@pytest.mark.parametrize(("shortcut", "stride"), [("A", 1), ("B", 2), ("D", 2)])
def test_deep_adds_an_outer_shortcut_around_its_pairs(drawn, rng, arrangement, shortcut, stride):
    """With zero branches: after(outer(x) + inner(inner(x)))."""
    features = 4 if stride == 1 else 6
    block = a_block(
        arrangement, deep(pairs=3), shortcut, width=features, stride=stride, train=False
    )
    x = rng.normal(size=(2, 5, 5, 4)).astype(np.float32)
    variables = drawn(block, x)
    params, stats = variables["params"], variables["batch_stats"]
    assert {"pair1", "pair2", "pair3"} <= set(params)
    for name in ("pair1", "pair2", "pair3"):
        params[name] = silence(params[name], last=2)

    after = relu if arrangement == "original" else lambda y: y
    by_hand = SHORTCUTS_BY_HAND[shortcut]
    first = by_hand(x, params["pair1"], stats["pair1"], features, stride)
    # The second and third pair change no shape.
    inner = after(after(first))
    outer = by_hand(x, params, stats, features, stride)
    y = block.apply(variables, x)
    np.testing.assert_allclose(y, after(outer + inner), rtol=1e-4, atol=1e-4)


def test_the_last_pair_of_deep_leaves_the_activation_to_the_whole(drawn, rng):
    """Its branch is -1 here: relu(x + (x - 1)), and not relu(x + relu(x - 1))."""
    block = a_block("original", deep(pairs=2), "A", width=4, train=False)
    x = rng.uniform(size=(2, 3, 3, 4)).astype(np.float32)
    variables = jax.tree.map(np.zeros_like, drawn(block, x))
    variables["params"]["pair2"]["norm2"]["bias"][:] = -1
    np.testing.assert_allclose(block.apply(variables, x), relu(2 * x - 1), atol=1e-6)


def test_deep_with_zero_branches_doubles_a_positive_image(drawn, rng):
    block = a_block("original", deep(pairs=2), "A", width=4, train=False)
    x = rng.uniform(size=(2, 3, 3, 4)).astype(np.float32)
    variables = jax.tree.map(np.zeros_like, drawn(block, x))
    np.testing.assert_allclose(block.apply(variables, x), 2 * x, rtol=1e-6)
