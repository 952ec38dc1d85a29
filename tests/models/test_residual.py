"""y = after(shortcut(x) + F(x)), for every row of the tables."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_jax.models.arrangements import ARRANGEMENTS
from resnet_jax.models.branches import BRANCHES, basic, deep, wide
from resnet_jax.models.building import resnet
from resnet_jax.models.layers import Layers
from resnet_jax.models.norms import NORMS
from resnet_jax.models.residual import Block, ResidualBlock
from resnet_jax.models.resnet import Stage
from resnet_jax.models.shortcuts import SHORTCUTS
from resnet_jax.tables import UserError

KEY = jax.random.key(0)


def parts(arrangement, branch, shortcut, *, train, norm=True, **choices):
    """What a block has in common with others, and its layers."""
    arrangement = ARRANGEMENTS[arrangement]
    arrangement = arrangement if norm else arrangement.without_norm()
    block = Block(branch, arrangement, SHORTCUTS[shortcut], **choices)
    kind = NORMS["batch" if norm else "none"]
    return block, Layers(kind, projection_norm=arrangement.projection_norm, train=train)


def a_block(*choices, width, stride=1, **more):
    return ResidualBlock(*parts(*choices, **more), width, stride)


@pytest.mark.parametrize("shortcut", SHORTCUTS)
@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_every_combination_has_finite_gradients(drawn, rng, arrangement, branch, shortcut):
    """A stage-opening block, with what it shares, that changes shape."""
    block, layers = parts(arrangement, BRANCHES[branch](), shortcut, train=True)
    stage = Stage(block, layers, 6, survival=(1.0,), stride=2)
    x = rng.normal(size=(2, 5, 5, 4)).astype(np.float32)
    variables = drawn(stage, x)

    def loss(params, x):
        rngs = {"dropout": KEY}
        y, _ = stage.apply({**variables, "params": params}, x, mutable=["batch_stats"], rngs=rngs)
        return jnp.square(y).mean(), y

    gradients, y = jax.grad(loss, argnums=(0, 1), has_aux=True)(variables["params"], x)
    assert y.shape == (2, 3, 3, 6 * BRANCHES[branch]().expansion)
    assert np.isfinite(y).all()
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        name = jax.tree_util.keystr(path)
        assert np.isfinite(gradient).all(), name
        assert np.abs(gradient).max() > 0, name


# What each shortcut does, in numpy: (x, params, batch_stats, features, stride) -> output.


def eval_norm(x, params, stats):
    scale = params["scale"] / np.sqrt(stats["var"] + 1e-5)
    return (x - stats["mean"]) * scale + params["bias"]


def padded(x, params, stats, features, stride):
    x = x[:, ::stride, ::stride]
    return np.pad(x, [(0, 0)] * 3 + [(0, features - x.shape[-1])])


def projected(x, params, stats, features, stride):
    x = x[:, ::stride, ::stride] @ params["projection"]["kernel"][0, 0]
    if "projection_norm" not in params:
        return x
    return eval_norm(x, params["projection_norm"], stats["projection_norm"])


def where_shapes_differ(function):
    def shortcut(x, params, stats, features, stride):
        if stride == 1 and x.shape[-1] == features:
            assert "projection" not in params
            return x
        return function(x, params, stats, features, stride)

    return shortcut


def pooled(x, params, stats, features, stride):
    if stride == 2:
        batch, height, width, channels = x.shape
        rows, columns = -(-height // 2), -(-width // 2)
        sums = np.zeros((batch, rows, columns, channels))
        counts = np.zeros((rows, columns, 1))
        for i in range(height):
            for j in range(width):
                sums[:, i // 2, j // 2] += x[:, i, j]
                counts[i // 2, j // 2] += 1
        x = sums / counts
    return projected(x, params, stats, features, 1)


def gated(x, params, stats, features, stride):
    z = x[:, ::stride, ::stride] @ params["gate"]["kernel"][0, 0] + params["gate"]["bias"]
    return padded(x, params, stats, features, stride) / (1 + np.exp(z))


SHORTCUTS_BY_HAND = {
    "A": padded,
    "B": where_shapes_differ(projected),
    "C": projected,
    "D": where_shapes_differ(pooled),
    "none": lambda x, params, stats, features, stride: np.float32(0),
    "constant_scaling": lambda *args: 0.5 * padded(*args),
    "exclusive_gating": gated,
    "shortcut_only_gating": gated,
    "convolution_1x1": projected,
    "dropout": padded,
}

AFTER_BY_HAND = {
    "original": lambda y, params, stats: np.maximum(y, 0),
    "bn_after_addition": lambda y, params, stats: np.maximum(
        eval_norm(y, params["norm_after"], stats["norm_after"]), 0
    ),
    "relu_before_addition": lambda y, params, stats: y,
    "relu_only_preactivation": lambda y, params, stats: y,
    "full_preactivation": lambda y, params, stats: y,
    "pyramid": lambda y, params, stats: y,
}


def by_hand(arrangement, shortcut, variables, x, features, stride):
    """What a block returns whose branch is zero."""
    params, stats = variables["params"], variables.get("batch_stats", {})
    assert shortcut in SHORTCUTS_BY_HAND, (
        f"write in SHORTCUTS_BY_HAND of tests/models/test_residual.py what shortcut '{shortcut}'"
        " does, in NumPy"
    )
    assert arrangement in AFTER_BY_HAND, (
        f"write in AFTER_BY_HAND of tests/models/test_residual.py what arrangement '{arrangement}'"
        " does after the addition, in NumPy"
    )
    direct = SHORTCUTS_BY_HAND[shortcut](x, params, stats, features, stride)
    return AFTER_BY_HAND[arrangement](direct, params, stats)


def silence(params, last):
    """Zeroes what ends the branch: the last convolution, and its norm where there is one.

    Of a pyramid, that norm has the next number, since one stands before the first convolution.
    """
    ending = {f"conv{last}", f"norm{last}", f"norm{last + 1}"} & set(params)
    return {**params, **{name: jax.tree.map(np.zeros_like, params[name]) for name in ending}}


@pytest.mark.parametrize(
    ("channels", "width", "stride"), [(4, 4, 1), (4, 6, 2)], ids=["identity", "opening"]
)
@pytest.mark.parametrize("branch", ["basic", "bottleneck"])
@pytest.mark.parametrize("shortcut", SHORTCUTS)
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
    assert projects == (
        arrangement in ("original", "relu_before_addition", "relu_only_preactivation", "pyramid")
        and (shortcut == "C" or (shortcut in "BD" and stride > 1))
    )
    variables["params"] = silence(variables["params"], len(branch.convolutions))

    expected = by_hand(arrangement, shortcut, variables, x, features, stride)
    y = block.apply(variables, x)
    expected = np.broadcast_to(expected, y.shape)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


ZEROED = [name for name in ARRANGEMENTS if name != "relu_before_addition"]


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
    quick_jit, arrangement, shortcut, size, channels, widening, stride
):
    width = channels + widening
    block = a_block(
        arrangement, basic(), shortcut, width=width, stride=stride, train=False,
        zero_init_branch=True,
    )  # fmt: skip
    x = np.random.default_rng(0).normal(size=(2, *size, channels)).astype(np.float32)
    variables = jax.tree.map(np.asarray, quick_jit(block.init)(KEY, x))
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
    zeroed = "norm2" if norm and arrangement == "original" else "conv2"
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


def relu(x):
    return np.maximum(x, 0)


def test_the_branch_runs_in_the_order_of_its_arrangement(drawn, rng):
    """Two 1x1 convolutions are matrix products, so every arrangement can be written down."""
    x = rng.normal(size=(2, 3, 3, 4)).astype(np.float32)
    branch = wide(kernels=(1, 1))

    def in_order(arrangement, c1, n1, c2, n2, n3, n_after):
        orders = {
            "original": lambda: relu(x + n2(c2(relu(n1(c1(x)))))),
            "bn_after_addition": lambda: relu(n_after(x + c2(relu(n1(c1(x)))))),
            "relu_before_addition": lambda: x + relu(n2(c2(relu(n1(c1(x)))))),
            "relu_only_preactivation": lambda: x + n2(c2(relu(n1(c1(relu(x)))))),
            "full_preactivation": lambda: x + c2(relu(n2(c1(relu(n1(x)))))),
            "pyramid": lambda: x + n3(c2(relu(n2(c1(n1(x)))))),
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


def dropping(**more):
    """A block without norm, so that training differs by what is dropped alone."""
    return a_block("relu_only_preactivation", basic(), "A", width=3, norm=False, **more)


def test_stochastic_depth_drops_whole_branches_and_keeps_the_expectation(drawn, rng):
    survival, examples = 0.7, 4_000
    image = rng.normal(size=(1, 2, 2, 3)).astype(np.float32)
    x = np.repeat(image, examples, axis=0)
    block = dropping(train=True, stochastic_depth=True)
    variables = drawn(block, x, survival)
    y = block.apply(variables, x, survival, rngs={"dropout": KEY}) - x

    evaluated = dropping(train=False, stochastic_depth=True)
    branch = evaluated.apply(variables, image, survival) - image
    kept = np.abs(y).max((1, 2, 3)) > 0
    kept_branches = np.broadcast_to(branch / survival, y[kept].shape)
    np.testing.assert_allclose(y[kept], kept_branches, rtol=1e-4, atol=1e-5)
    deviation = np.sqrt(survival * (1 - survival) / examples)
    assert abs(kept.mean() - survival) < 4 * deviation
    tolerance = 4 * deviation / survival * np.abs(branch).max()
    np.testing.assert_allclose(y.mean(0), branch[0], rtol=0, atol=tolerance)


def test_a_branch_that_always_survives_is_not_changed(drawn, rng):
    x = rng.normal(size=(4, 3, 3, 3)).astype(np.float32)
    block = dropping(train=True, stochastic_depth=True)
    variables = drawn(block, x)
    always = block.apply(variables, x, 1.0, rngs={"dropout": KEY})
    without = dropping(train=True).apply(variables, x)
    np.testing.assert_array_equal(always, without)


def identity_branch(x, kernels, rate, *, train):
    """F(x) of 1x1 convolutions whose kernels are all the identity."""
    channels = x.shape[-1]
    block = a_block(
        "relu_only_preactivation",
        wide(kernels=(1,) * kernels),
        "none",
        width=channels,
        train=train,
        norm=False,
        dropout=rate,
    )
    identity = {
        "kernel": np.eye(channels, dtype=np.float32)[None, None],
        "bias": np.zeros(channels, np.float32),
    }
    params = {f"conv{number}": identity for number in range(1, kernels + 1)}
    return np.asarray(block.apply({"params": params}, x, rngs={"dropout": KEY}))


@pytest.mark.parametrize(("kernels", "dropouts"), [(1, 0), (2, 1), (3, 2)])
def test_dropout_stands_between_convolutions(rng, kernels, dropouts):
    """F is then the identity on positive numbers, but for the factors of its dropout layers."""
    x = rng.uniform(1, 2, size=(4, 16, 16, 8)).astype(np.float32)
    rate = 0.25
    factors = identity_branch(x, kernels, rate, train=True) / x
    kept = factors > 0
    np.testing.assert_allclose(factors[kept], (1 / (1 - rate)) ** dropouts, rtol=1e-5)
    assert abs(kept.mean() - (1 - rate) ** dropouts) < 0.03
    np.testing.assert_allclose(identity_branch(x, kernels, rate, train=False), x)
