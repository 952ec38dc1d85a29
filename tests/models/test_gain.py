"""The learned factor of a branch: SkipInit and ReZero."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.analysis import counts
from resnet_jax.models.building import resnet
from resnet_jax.training.optim import DECAY_RULES, decay_mask


def network(**changes):
    made = {"family": "cifar", "classes": 3, "stage_depths": (2,), "widths": (4,), "stem_width": 4,
            "shortcut": "A", "norm": "none", "arrangement": "full_preactivation"}  # fmt: skip
    return resnet(**{**made, **changes})


def with_gains(variables, value):
    """The variables with every gain set."""

    def change(path, leaf):
        return np.full_like(leaf, value) if path[-1].key == "gain" else leaf

    return jax.tree_util.tree_map_with_path(change, variables)


@pytest.fixture
def image(rng):
    return rng.normal(size=(2, 5, 5, 3)).astype(np.float32)


@pytest.mark.parametrize(("branch", "blocks"), [("basic", 2), ("deep", 4)])
def test_each_residual_branch_has_one_factor(branch, blocks, image):
    model = network(branch=branch, branch_gain=0.25)
    params = model.init(jax.random.key(0), image, train=False)["params"]
    gains = [
        leaf for path, leaf in jax.tree_util.tree_leaves_with_path(params) if path[-1].key == "gain"
    ]
    assert [float(gain) for gain in gains] == [0.25] * blocks
    assert all(gain.shape == () for gain in gains)


def test_gain_multiplies_the_branch(drawn, image):
    """In a stage of one pre-activated block the output is linear in the gain, up to the head."""
    model = network(branch_gain=1.0, stage_depths=(1,), arrangement="relu_before_addition")
    variables = drawn(model, image, train=False)

    def pooled(gain):
        params = with_gains(variables, gain)["params"]
        logits = model.apply({"params": params}, image, train=False)
        return logits

    none, half, whole = pooled(0.0), pooled(0.5), pooled(1.0)
    assert np.abs(whole - none).max() > 1e-3
    np.testing.assert_allclose(half, (none + whole) / 2, rtol=1e-4, atol=1e-5)


def test_from_zero_the_network_starts_as_its_shortcuts_and_learns(drawn, image):
    model = network(branch_gain=0.0)
    variables = with_gains(drawn(model, image, train=False), 0.0)

    def loss(params):
        return jnp.square(model.apply({"params": params}, image, train=False) - 1).sum()

    gradients = jax.grad(loss)(variables["params"])
    block = gradients["stage1"]["block1"]
    assert np.abs(block["branch_gain"]["gain"]) > 1e-4
    # What the branch computes does not matter yet.
    assert np.abs(block["conv1"]["kernel"]).max() == 0
    changed = jax.tree.map(np.copy, variables["params"])
    changed["stage1"]["block1"]["conv1"]["kernel"] += 1
    assert loss(changed) == loss(variables["params"])


def test_a_gain_is_counted_and_does_not_decay(image):
    with_gain, without = network(branch_gain=0.0), network()
    one, other = [
        sum(layer.parameters for layer in counts.layers(model, (5, 5, 3)))
        for model in (with_gain, without)
    ]
    assert one - other == 2
    params = with_gain.init(jax.random.key(0), image, train=False)["params"]
    decays = decay_mask(DECAY_RULES["kernels"], params)
    assert decays["stage1"]["block1"]["branch_gain"]["gain"] is False
