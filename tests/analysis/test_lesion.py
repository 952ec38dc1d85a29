"""Deleted and shuffled blocks, and paths, against networks that are built without them."""

from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.tiny import SHAPE, network, variables_of

from resnet_jax.analysis.blocks import names
from resnet_jax.analysis.studies import lesion


@pytest.fixture(scope="module")
def lesioned(residual):
    return jax.jit(partial(lesion.apply_lesioned, residual[0]))


def test_a_network_that_keeps_every_block_is_itself(residual, lesioned, examples):
    model, variables = residual
    whole = jax.jit(partial(model.apply, train=False))(variables, examples.images)
    np.testing.assert_allclose(
        lesioned(variables, examples.images, np.ones(4, bool)), whole, rtol=1e-5
    )


@pytest.mark.parametrize("number", [1, 2])
def test_a_deleted_block_has_a_branch_of_zero(residual, lesioned, examples, number):
    """The same by another way: scale and bias of the branch's last norm are zero."""
    _, variables = residual
    kept = np.arange(4) != number
    stage, block = [("stage1", "block2"), ("stage2", "block1")][number - 1]
    params = jax.tree.map(lambda leaf: leaf, variables["params"])
    params[stage][block]["norm2"] = jax.tree.map(jnp.zeros_like, params[stage][block]["norm2"])
    by_hand = lesioned({**variables, "params": params}, examples.images, np.ones(4, bool))
    found = lesioned(variables, examples.images, kept)
    np.testing.assert_allclose(found, by_hand, rtol=1e-5)
    assert not np.allclose(found, lesioned(variables, examples.images, np.ones(4, bool)))


def test_a_plain_network_without_a_block_is_a_shorter_one(plain, examples):
    model, variables = plain
    assert lesion.deletable(model, variables, SHAPE) == [0, 1, 3]
    found = jax.jit(partial(lesion.apply_lesioned, model))(
        variables, examples.images, np.array([True, False, True, True])
    )
    shorter = network(shortcut="none", stage_depths=(1, 2))
    less = {
        kind: {**tree, "stage1": {"block1": tree["stage1"]["block1"]}}
        for kind, tree in variables.items()
    }
    by_hand = jax.jit(partial(shorter.apply, train=False))(less, examples.images)
    np.testing.assert_allclose(found, by_hand, rtol=1e-5)


def test_a_block_that_alone_has_no_shortcut_stays():
    model = network(shortcut="identity_or_none")
    assert lesion.deletable(model, variables_of(model), SHAPE) == [0, 1, 3]


def test_shuffled_blocks_change_places_within_their_stage():
    model = network(stage_depths=(3, 1))
    variables = variables_of(model)
    order = lesion.swapped(model, 1, np.random.default_rng(0))
    assert order == [0, 2, 1, 3]
    moved = lesion.shuffled(variables, model, order)
    for kind in ("params", "batch_stats"):
        for place, source in (("block1", "block1"), ("block2", "block3"), ("block3", "block2")):
            for ours, theirs in zip(
                jax.tree.leaves(moved[kind]["stage1"][place]),
                jax.tree.leaves(variables[kind]["stage1"][source]),
                strict=True,
            ):
                assert ours is theirs
    assert variables["params"]["stage1"]["block2"] is not moved["params"]["stage1"]["block2"]


def test_two_blocks_have_four_paths():
    assert lesion.path_lengths(2).tolist() == [0.25, 0.5, 0.25]
    lengths = lesion.path_lengths(54)
    assert lengths.sum() == pytest.approx(1)
    # 'most paths go through 19 to 35 of the 54 modules' (Veit et al., section 5: 95% of them).
    assert lengths[19:36].sum() == pytest.approx(0.98, abs=0.02)


@pytest.mark.parametrize(
    "shortcut",
    [
        "A",
        pytest.param("exclusive_gating", marks=pytest.mark.slow),
        pytest.param("orthogonal", marks=pytest.mark.slow),
        pytest.param("deep_delta", marks=pytest.mark.slow),
        pytest.param("shake_shake", marks=pytest.mark.slow),
    ],
)
def test_the_gradients_of_all_paths_add_up_to_the_gradient(examples, shortcut):
    model = network(stage_depths=(1, 1), shortcut=shortcut)
    variables = variables_of(model)
    along = jax.jit(partial(lesion.path_gradient, model))
    parts = [
        along(variables, *examples, np.array(through))
        for through in product([False, True], repeat=len(names(model)))
    ]

    def whole(shift):
        from resnet_jax.analysis.blocks import changed

        with changed(model, block=lambda n, block, x: block(x + shift if n == 0 else x)):
            logits = model.apply(variables, examples.images, train=False)
        return -jax.nn.log_softmax(logits)[jnp.arange(6), examples.labels].mean()

    gradient = jax.jit(jax.grad(whole))(jnp.zeros_like(parts[0]))
    np.testing.assert_allclose(sum(parts), gradient, rtol=1e-3, atol=1e-6)
    assert not np.allclose(parts[0], gradient)
