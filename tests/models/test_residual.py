"""y = after(shortcut(x) + F(x)), for every row of the tables."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from blocks import (
    ADDING,
    KEY,
    SHORTCUTS_BY_HAND,
    a_block,
    by_hand,
    eval_norm,
    parts,
    relu,
    silence,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_jax.models.arrangements import ACTIVATION, ARRANGEMENTS
from resnet_jax.models.branches import BRANCHES, basic, wide
from resnet_jax.models.building import resnet
from resnet_jax.models.stage import Stage
from resnet_jax.models.transitions import TRANSITIONS
from resnet_jax.tables import UserError


def combinations():
    """Every two rows of different tables stand together once; one of each branch is not slow."""
    arrangements = list(ARRANGEMENTS)
    assert len(arrangements) <= min(len(BRANCHES), len(ADDING))
    for number, branch in enumerate(BRANCHES):
        for other, shortcut in enumerate(ADDING):
            arrangement = arrangements[(number + other) % len(arrangements)]
            quick = other == number % len(ADDING)
            yield pytest.param(
                arrangement, branch, shortcut, marks=[pytest.mark.slow] * (not quick)
            )


@pytest.mark.parametrize(("arrangement", "branch", "shortcut"), list(combinations()))
def test_rows_of_every_two_tables_together_have_finite_gradients(
    drawn, rng, arrangement, branch, shortcut
):
    """A stage-opening block, with what it shares, that changes shape."""
    block, layers = parts(arrangement, BRANCHES[branch](), shortcut, train=True)
    # The branch whose first convolution keeps the channels opens no stage by itself; the transition
    # that does for it has windows that lie side by side.
    keeps = branch == "convnext"
    transition, side = TRANSITIONS["norm_and_convolution" if keeps else "block"], 3 - keeps
    stage = Stage(block, layers, 6, survival=(1.0,), stride=2, transition=transition)
    x = rng.normal(size=(2, 5, 5, 4)).astype(np.float32)
    variables = drawn(stage, x)

    def loss(params, x):
        rngs = {"dropout": KEY}
        y, _ = stage.apply({**variables, "params": params}, x, mutable=["batch_stats"], rngs=rngs)
        return jnp.square(y).mean(), y

    gradients, y = jax.grad(loss, argnums=(0, 1), has_aux=True)(variables["params"], x)
    assert y.shape == (2, side, side, 6 * BRANCHES[branch]().expansion)
    assert np.isfinite(y).all()
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        name = jax.tree_util.keystr(path)
        assert np.isfinite(gradient).all(), name
        assert np.abs(gradient).max() > 0, name


@pytest.mark.parametrize(
    ("channels", "width", "stride"), [(4, 4, 1), (4, 6, 2)], ids=["identity", "opening"]
)
@pytest.mark.parametrize("branch", ["basic", "bottleneck"])
@pytest.mark.parametrize("shortcut", ADDING)
@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_a_block_with_a_zero_branch_is_its_shortcut(
    drawn, rng, arrangement, shortcut, branch, channels, width, stride
):
    branch = BRANCHES[branch]()
    features = width * branch.expansion
    channels = features if stride == 1 else channels
    block = a_block(arrangement, branch, shortcut, width=width, stride=stride, train=False)
    x = rng.normal(size=(2, 5, 6, channels)).astype(np.float32)
    variables = drawn(block, x)
    projects = "projection_norm" in variables["params"]
    bare = ("bn_after_addition", "full_preactivation", "branch_preactivation",
            "shared_preactivation", "convnext")  # fmt: skip
    assert projects == (
        arrangement not in bare and (shortcut == "C" or (shortcut in "BD" and stride > 1))
    )
    variables["params"] = silence(variables["params"], len(branch.convolutions))

    expected = by_hand(arrangement, shortcut, variables, x, features, stride)
    y = block.apply(variables, x)
    expected = np.broadcast_to(expected, y.shape)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


ZEROED = [name for name, row in ARRANGEMENTS.items() if row.last[-1] != ACTIVATION]


@settings(max_examples=6, deadline=None, derandomize=True, database=None)
@given(
    arrangement=st.sampled_from(ZEROED),
    shortcut=st.sampled_from(["A", "B", "C", "D"]),
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    channels=st.integers(1, 5),
    widening=st.integers(0, 3),
    stride=st.integers(1, 2),
)
def test_zero_init_makes_a_new_block_its_shortcut(
    arrangement, shortcut, size, channels, widening, stride
):
    width = channels + widening
    block = a_block(
        arrangement, basic(), shortcut, width=width, stride=stride, train=False,
        zero_init_branch=True,
    )  # fmt: skip
    x = np.random.default_rng(0).normal(size=(2, *size, channels)).astype(np.float32)
    variables = jax.tree.map(np.asarray, jax.jit(block.init)(KEY, x))
    expected = by_hand(arrangement, shortcut, variables, x, width, stride)
    np.testing.assert_allclose(block.apply(variables, x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("norm", [True, False], ids=["norm", "no norm"])
@pytest.mark.parametrize("arrangement", ZEROED)
def test_a_zero_branch_can_learn(arrangement, norm, rng):
    block = a_block(
        arrangement, basic(), "A", width=4, train=False, norm=norm, zero_init_branch=True
    )
    x = rng.normal(size=(2, 3, 3, 4)).astype(np.float32)
    variables = block.init(KEY, x)
    zeroed = "norm2" if norm and arrangement in ("original", "linear") else "conv2"
    zeroed = "norm2" if norm and arrangement == "relu_only_preactivation" else zeroed
    zeroed = "norm3" if norm and arrangement == "pyramid" else zeroed
    for leaf in jax.tree.leaves(variables["params"][zeroed]):
        np.testing.assert_array_equal(leaf, np.zeros_like(leaf))

    def loss(params):
        return jnp.square(block.apply({**variables, "params": params}, x) - 1).sum()

    for gradient in jax.tree.leaves(jax.grad(loss)(variables["params"])[zeroed]):
        assert np.abs(gradient).max() > 1e-3


def test_a_relu_that_would_stay_at_zero_is_refused():
    choices = {"family": "cifar", "classes": 2, "depth": 8, "zero_init_branch": True}
    with pytest.raises(UserError, match=r"'relu_before_addition'.*model\.zero_init_branch=False"):
        resnet(arrangement="relu_before_addition", **choices)


def test_the_branch_runs_in_the_order_of_its_arrangement(drawn, rng):
    """Two 1x1 convolutions are matrix products, so every arrangement can be written down."""
    x = rng.normal(size=(2, 3, 3, 4)).astype(np.float32)
    branch = wide(kernels=(1, 1))

    def in_order(arrangement, c1, n1, c2, n2, n3, n_after):
        orders = {
            "original": lambda: relu(x + n2(c2(relu(n1(c1(x)))))),
            "bn_after_addition": lambda: relu(n_after(x + c2(relu(n1(c1(x)))))),
            "relu_before_addition": lambda: x + relu(n2(c2(relu(n1(c1(x)))))),
            "relu_around_addition": lambda: relu(x + relu(n2(c2(relu(n1(c1(x))))))),
            "relu_only_preactivation": lambda: x + n2(c2(relu(n1(c1(relu(x)))))),
            "full_preactivation": lambda: x + c2(relu(n2(c1(relu(n1(x)))))),
            "branch_preactivation": lambda: x + c2(relu(n2(c1(relu(n1(x)))))),
            "shared_preactivation": lambda: relu(n1(x)) + c2(relu(n2(c1(relu(n1(x)))))),
            "linear": lambda: x + n2(c2(relu(n1(c1(x))))),
            "pyramid": lambda: x + n3(c2(relu(n2(c1(n1(x)))))),
            "convnext": lambda: x + c2(n1(c1(x))),
        }
        assert arrangement in orders, (
            f"write arrangement '{arrangement}' down here, in tests/models/test_residual.py"
        )
        return orders[arrangement]()

    for arrangement in ARRANGEMENTS:
        block = a_block(arrangement, branch, "A", width=4, train=False)
        variables = drawn(block, x)
        params, stats = variables["params"], variables["batch_stats"]

        def layer(name, params=params, stats=stats):
            if "conv" in name:
                return lambda x: x @ params[name]["kernel"][0, 0]
            return lambda x: eval_norm(x, params[name], stats[name])

        layers = map(layer, ("conv1", "norm1", "conv2", "norm2", "norm3", "norm_after"))
        expected = in_order(arrangement, *layers)
        y = block.apply(variables, x)
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4, err_msg=arrangement)


@pytest.mark.parametrize(
    ("shortcut", "scale_by_hand"),
    [
        ("constant_scaling", lambda gate: 0.5),
        ("exclusive_gating", lambda gate: gate),
        ("shortcut_only_gating", lambda gate: 1),
    ],
)
def test_what_a_shortcut_scales_is_the_branch(drawn, rng, shortcut, scale_by_hand):
    block = a_block(
        "relu_only_preactivation", wide(kernels=(1,)), shortcut, width=4, train=False, norm=False
    )
    x = rng.normal(size=(2, 3, 3, 4)).astype(np.float32)
    variables = drawn(block, x)
    params = variables["params"]
    gate = 0
    if "gate" in params:
        z = x @ params["gate"]["kernel"][0, 0] + params["gate"]["bias"]
        gate = 1 / (1 + np.exp(-z))
    branch = relu(x) @ params["conv1"]["kernel"][0, 0] + params["conv1"]["bias"]
    direct = SHORTCUTS_BY_HAND[shortcut](x, params, {}, 4, 1)
    y = block.apply(variables, x)
    np.testing.assert_allclose(y, direct + scale_by_hand(gate) * branch, rtol=1e-4, atol=1e-5)
