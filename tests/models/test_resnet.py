"""Stem, stages and head: what the network adds to its blocks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.models.arrangements import ARRANGEMENTS
from resnet_jax.models.branches import wide
from resnet_jax.models.building import resnet
from resnet_jax.models.layers import Layers
from resnet_jax.models.residual import Block, ResidualBlock
from resnet_jax.models.resnet import linear_decay
from resnet_jax.models.shortcuts import SHORTCUTS
from resnet_jax.models.stage import Stage

# What follows the stem's convolution, what opens a stage and what precedes the pool:
# arXiv 1603.05027, appendix.
OUTSIDE_THE_BLOCKS = {
    "original": ("cna", ""),
    "bn_after_addition": ("cna", ""),
    "relu_before_addition": ("cna", ""),
    "relu_around_addition": ("cna", ""),
    "relu_only_preactivation": ("cn", "a"),
    "full_preactivation": ("c", "na"),
    "branch_preactivation": ("c", "na"),
    "shared_preactivation": ("c", "a"),
    "linear": ("cna", "a"),
    # PyramidNet's code; its stages share nothing.
    "pyramid": ("cn", "na"),
    "convnext": ("cn", ""),
}


def letters(steps):
    return "".join(step[0] for step in steps)


def tiny(**choices):
    sizes = {"stage_depths": (1, 1, 1), "widths": (4, 8, 16), "stem_width": 4}
    return resnet(family="cifar", classes=3, **{**sizes, **choices})


def draw_images(rng, size=9):
    return rng.normal(size=(2, size, size, 3)).astype(np.float32)


def relu(x):
    return np.maximum(x, 0)


def eval_norm(x, params, stats):
    return (x - stats["mean"]) * params["scale"] / np.sqrt(stats["var"] + 1e-5) + params["bias"]


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_what_stands_around_the_blocks(drawn, rng, arrangement):
    assert arrangement in OUTSIDE_THE_BLOCKS, (
        f"write in OUTSIDE_THE_BLOCKS of tests/models/test_resnet.py what stands around the blocks"
        f" of arrangement '{arrangement}'"
    )
    model = tiny(arrangement=arrangement)
    x = draw_images(rng)
    variables = drawn(model, x, train=False)
    params, stats = variables["params"], variables["batch_stats"]
    logits, state = model.apply(variables, x, train=False, capture_intermediates=True)
    stem, lead = OUTSIDE_THE_BLOCKS[arrangement]
    row = ARRANGEMENTS[arrangement]
    assert [letters(row.stem_steps), letters(row.head_steps)] == [stem, lead]

    y = np.asarray(state["intermediates"]["stage3"]["__call__"][0])
    assert ("head_norm" in params) == ("n" in lead)
    if "n" in lead:
        y = eval_norm(y, params["head_norm"], stats["head_norm"])
    if "a" in lead:
        y = relu(y)
    expected = y.mean((1, 2)) @ params["head"]["kernel"] + params["head"]["bias"]
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)

    assert ("stem_norm" in params) == ("n" in stem)
    for stage in ("stage1", "stage2", "stage3"):
        shares = "n" in lead and arrangement not in ("pyramid", "branch_preactivation")
        assert ("norm_shared" in params[stage]) == shares


@pytest.mark.parametrize(
    ("arrangement", "steps"),
    [("original", "cna"), ("linear", "cn"), ("relu_only_preactivation", "cn")],
)
def test_a_convolution_before_the_head_leaves_the_head_its_steps(arrangement, steps):
    """RegNet Z's ends in one activation (timm's regnet.py), NFNet's has none before the head's."""
    assert letters(ARRANGEMENTS[arrangement].head_conv_steps) == steps


@pytest.mark.parametrize(("size", "sizes"), [(8, (8, 4, 2)), (9, (9, 5, 3)), (7, (7, 4, 2))])
def test_stages_halve_the_resolution(size, sizes):
    model = tiny()
    x = jnp.zeros((2, size, size, 3))
    state = jax.eval_shape(
        lambda: model.init_with_output(
            jax.random.key(0), x, train=False, capture_intermediates=True
        )
    )[1]["intermediates"]
    outputs = [state[f"stage{number}"]["__call__"][0].shape for number in (1, 2, 3)]
    assert outputs == [(2, s, s, c) for s, c in zip(sizes, (4, 8, 16), strict=True)]


def stage_of_products(shortcut, train=False):
    """A full pre-activation stage whose branches are single 1x1 convolutions: matrix products."""
    arrangement = ARRANGEMENTS["full_preactivation"]
    block = Block(wide(kernels=(1,)), arrangement, SHORTCUTS[shortcut])
    layers = Layers(projection_norm=arrangement.projection_norm, train=train)
    return Stage(block, layers, 6, survival=(1.0, 1.0), stride=2)


@pytest.mark.parametrize("shortcut", ["A", "B", "none"])
def test_a_preactivated_stage_shares_its_first_norm_with_the_shortcut(drawn, rng, shortcut):
    x = rng.normal(size=(2, 5, 5, 4)).astype(np.float32)
    stage = stage_of_products(shortcut)
    variables = drawn(stage, x)
    params, stats = variables["params"], variables["batch_stats"]

    shared = relu(eval_norm(x, params["norm_shared"], stats["norm_shared"]))[:, ::2, ::2]
    opening = params["block1"]
    assert not {"norm1", "projection_norm"} & set(opening)
    direct = {
        "A": lambda: np.pad(shared, [(0, 0)] * 3 + [(0, 2)]),
        "B": lambda: shared @ opening["projection"]["kernel"][0, 0],
        "none": lambda: 0,
    }[shortcut]()
    y = direct + shared @ opening["conv1"]["kernel"][0, 0]

    following = params["block2"]
    branch = relu(eval_norm(y, following["norm1"], stats["block2"]["norm1"]))
    identity = 0 if shortcut == "none" else y
    expected = identity + branch @ following["conv1"]["kernel"][0, 0]
    np.testing.assert_allclose(stage.apply(variables, x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("branch", "expected"), [("bottleneck", [8, 4, 4]), ("bottleneck_v1", [4, 4, 4])]
)
def test_the_convolution_that_carries_the_stride(drawn, rng, branch, expected):
    model = tiny(branch=branch)
    x = draw_images(rng, size=8)
    variables = drawn(model, x, train=False)
    state = jax.eval_shape(
        lambda: model.apply(variables, x, train=False, capture_intermediates=True)
    )[1]
    block = state["intermediates"]["stage2"]["block1"]
    sizes = [block[name]["__call__"][0].shape[1] for name in ("conv1", "conv2", "conv3")]
    assert sizes == expected


def test_survival_falls_linearly_to_that_of_the_last_block():
    np.testing.assert_allclose(linear_decay(0.5, 4), (0.875, 0.75, 0.625, 0.5))
    # arXiv 1603.09382, section 4: 54 blocks, expected depth about 40
    assert sum(linear_decay(0.5, 54)) == pytest.approx((3 * 54 - 1) / 4)


def test_each_block_gets_its_survival(monkeypatch, drawn, rng):
    received = []
    monkeypatch.setattr(
        ResidualBlock, "_drop", lambda self, y, survival, copy: received.append(survival) or y
    )
    model = tiny(stage_depths=(2, 1, 2), survival=0.5)
    x = draw_images(rng)
    variables = drawn(model, x, train=False)
    model.apply(variables, x, train=True, mutable=["batch_stats"])
    np.testing.assert_allclose(received, (0.9, 0.8, 0.7, 0.6, 0.5))


def test_evaluation_drops_nothing(drawn, rng):
    x = draw_images(rng)
    plain = tiny()
    variables = drawn(plain, x, train=False)
    expected = plain.apply(variables, x, train=False)
    dropping = tiny(survival=0.1, dropout=0.5)
    np.testing.assert_array_equal(dropping.apply(variables, x, train=False), expected)


def test_bfloat16_rounds_activations_alone(drawn, rng):
    x = draw_images(rng)
    exact, rounded = tiny(), tiny(dtype="bfloat16")
    variables = drawn(exact, x, train=False)

    def train(model):
        return model.apply(
            variables, x, train=True, mutable=["batch_stats"], capture_intermediates=True
        )

    expected, exact_state = train(exact)
    logits, state = train(rounded)
    seen = state["intermediates"]
    for stage in ("stage1", "stage2", "stage3"):
        assert seen[stage]["__call__"][0].dtype == jnp.bfloat16
    assert logits.dtype == jnp.float32
    np.testing.assert_allclose(logits, expected, atol=0.05 * np.abs(expected).max())

    # Pool and head compute in float32.
    pooled = np.asarray(seen["stage3"]["__call__"][0], np.float32).mean((1, 2))
    head = variables["params"]["head"]
    np.testing.assert_allclose(logits, pooled @ head["kernel"] + head["bias"], rtol=1e-5)

    rounded_stats = jax.tree.leaves(state["batch_stats"])
    exact_stats = jax.tree.leaves(exact_state["batch_stats"])
    for a, b in zip(rounded_stats, exact_stats, strict=True):
        assert a.dtype == jnp.float32
        np.testing.assert_allclose(a, b, atol=0.05 * np.abs(b).max())
    # A float32 statistic of bfloat16 images has digits that bfloat16 has not.
    mean = state["batch_stats"]["stem_norm"]["mean"]
    assert (mean != mean.astype(jnp.bfloat16).astype(jnp.float32)).any()


def test_float64_throughout(float64, drawn, rng):
    model = tiny(dtype="float64")
    x = draw_images(rng).astype(np.float64)
    variables = drawn(model, x, train=False)
    result = model.apply(variables, x, train=True, mutable=["batch_stats"])
    leaves = jax.tree.leaves((variables, result))
    assert {str(leaf.dtype) for leaf in leaves} == {"float64"}
