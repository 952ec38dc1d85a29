"""Parts of a network: what is frozen, and which share of the learning rate each gets."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from resnet_jax.models.building import resnet
from resnet_jax.models.parts import part_of, rate_shares, replaced
from resnet_jax.tables import UserError
from resnet_jax.training.optim import scaled

SMALL = {"family": "cifar", "classes": 3, "stage_depths": (1, 2), "widths": (4, 8)}


def test_parts_are_numbered_from_the_images_on():
    names = ("stem_conv", "stem_norm1", "stage1", "stage2", "head_norm", "head")
    assert [part_of((name, "kernel"), stages=2) for name in names] == [0, 0, 1, 2, 2, 3]


def test_the_rate_falls_by_the_same_factor_with_every_part_away_from_the_head():
    assert rate_shares(2, frozen_parts=0, decay=0.5) == (0.125, 0.25, 0.5, 1.0)
    assert rate_shares(2, frozen_parts=2, decay=0.5) == (0.0, 0.0, 0.5, 1.0)
    assert rate_shares(2, frozen_parts=3, decay=1.0) == (0.0, 0.0, 0.0, 1.0)
    with pytest.raises(UserError, match=r"finetune.rate_decay=0 must lie in \(0, 1\]"):
        rate_shares(2, 0, 0)


def test_updates_are_scaled_by_the_share_of_their_part_decay_and_all():
    plain = optax.chain(optax.add_decayed_weights(0.1), optax.sgd(0.5, momentum=0.9))
    shares = {"a": 1.0, "b": 0.25, "c": 0.0}
    optimizer = scaled(plain, lambda path: shares[path[0]])
    params = {name: {"kernel": jnp.array([2.0, -4.0])} for name in shares}
    gradients = jax.tree.map(jnp.ones_like, params)
    state = optimizer.init(params)
    updates, state = optimizer.update(gradients, state, params)
    # -0.5 (1 + 0.1 w), and in the second step 1.9 times that.
    first = -0.5 * (1 + 0.1 * np.array([2.0, -4.0]))
    for name, share in shares.items():
        np.testing.assert_allclose(updates[name]["kernel"], share * first, rtol=1e-6)
    updates, _ = optimizer.update(gradients, state, params)
    np.testing.assert_allclose(updates["b"]["kernel"], 0.25 * 1.9 * first, rtol=1e-6)


@pytest.mark.parametrize(
    ("frozen_parts", "arrangement"),
    [
        pytest.param(frozen, arrangement, marks=[pytest.mark.slow] * (frozen not in drawn))
        for arrangement, drawn in [("original", {0, 2}), ("full_preactivation", {1, 3})]
        for frozen in range(4)
    ],
)
def test_what_is_frozen_has_no_gradient_and_keeps_its_statistics(drawn, frozen_parts, arrangement):
    model = resnet(**SMALL, arrangement=arrangement, frozen_parts=frozen_parts)
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)
    variables = drawn(model, x, train=False)

    def loss(params):
        logits, state = model.apply(
            {**variables, "params": params}, x, train=True, mutable=["batch_stats"]
        )
        return (logits**2).sum(), state

    gradients, state = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        part = part_of([key.key for key in path], stages=2)
        assert bool(jnp.any(gradient != 0)) == (part >= frozen_parts), path
    old = variables["batch_stats"]
    for path, new in jax.tree_util.tree_leaves_with_path(state["batch_stats"]):
        keys = [key.key for key in path]
        before = old
        for key in keys:
            before = before[key]
        moved = bool(jnp.any(before != new))
        assert moved == (part_of(keys, stages=2) >= frozen_parts), path


def test_a_prefix_longer_than_the_network_is_a_mistake():
    with pytest.raises(UserError, match=r"finetune.frozen_parts=4 must lie between 0 and 3"):
        resnet(**SMALL, frozen_parts=4)


def test_leaves_are_replaced_and_the_others_kept():
    variables = {"params": {"a": {"x": 1, "y": 2}, "b": 3}, "batch_stats": {}}
    expected = {"params": {"a": {"x": 1, "y": 5}, "b": 3}, "batch_stats": {}}
    assert replaced(variables, {"params": {"a": {"y": 5}}}) == expected
