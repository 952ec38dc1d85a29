"""A scanned network is the unrolled one in another layout."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from resnet_jax.models.building import resnet
from resnet_jax.models.resnet import linear_decay
from resnet_jax.models.scan import stack_blocks, unstack_blocks


def nets(**choices):
    sizes = {"stage_depths": (3, 1), "widths": (4, 6), "stem_width": 4}
    choices = {"family": "cifar", "classes": 3, **sizes, **choices}
    return resnet(**choices), resnet(**choices, scan_blocks=True)


def shape_of(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


def assert_equal(a, b, **tolerance):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), a, b)


@pytest.mark.parametrize(
    "choices",
    [
        pytest.param({"shortcut": "A"}, id="original", marks=pytest.mark.slow),
        pytest.param(
            {"arrangement": "full_preactivation", "branch": "bottleneck", "shortcut": "D"},
            id="full_preactivation",
        ),
        pytest.param(
            {"arrangement": "bn_after_addition", "branch": "deep", "shortcut": "C"},
            id="deep",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_logits_gradients_and_statistics_are_equal(float64, drawn, rng, choices):
    unrolled, scanned = nets(stage_depths=(3,), widths=(5,), dtype="float64", **choices)
    x = rng.normal(size=(4, 7, 7, 3))
    variables = drawn(unrolled, x, train=False)

    def train(model, variables):
        def loss(params):
            y, state = model.apply(
                {**variables, "params": params}, x, train=True, mutable=["batch_stats"]
            )
            return jnp.sin(y).sum(), (y, state)

        gradients, (logits, state) = jax.grad(loss, has_aux=True)(variables["params"])
        evaluated = model.apply(variables, x, train=False)
        return {"logits": (logits, evaluated), "gradients": gradients, **state}

    expected = jax.jit(lambda v: train(unrolled, v))(variables)
    got = jax.jit(lambda v: train(scanned, v))(stack_blocks(variables))
    assert_equal(unstack_blocks(got), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("arrangement", ["original", "full_preactivation"])
def test_the_layouts_are_those_of_the_networks(drawn, arrangement):
    unrolled, scanned = nets(arrangement=arrangement)
    x = jnp.zeros((1, 8, 8, 3))
    a, b = drawn(unrolled, x, train=False), drawn(scanned, x, train=False)
    assert shape_of(stack_blocks(a)) == shape_of(b)
    assert shape_of(unstack_blocks(b)) == shape_of(a)


class Nested(NamedTuple):
    step: int
    trees: tuple


@pytest.mark.parametrize("depth", [2, 12])
def test_stacking_and_unstacking_are_inverse(depth):
    """Also within the tuples of an optimizer state, and where blocks have two digits."""
    params = {
        "stem_conv": {"kernel": np.ones(2)},
        "stage1": {
            "norm_shared": {"scale": np.ones(3)},
            **{f"block{n}": {"conv1": {"kernel": np.full((1, 2), n)}} for n in range(1, depth + 1)},
        },
        "stage2": {"block1": {"conv1": {"kernel": np.zeros(3)}}},
    }
    state = Nested(3, ({"params": params}, [optax.adam(0.1).init(params)], None))
    stacked = stack_blocks(state)
    inner = stacked.trees[0]["params"]
    kernels = inner["stage1"]["blocks"]["conv1"]["kernel"]
    np.testing.assert_array_equal(kernels[:, 0, 0], np.arange(2, depth + 1))
    assert set(inner["stage1"]) == {"norm_shared", "block1", "blocks"}
    assert set(inner["stage2"]) == {"block1"}
    assert stacked.trees[1][0][0].mu["stage1"]["blocks"]["conv1"]["kernel"].shape == kernels.shape
    assert_equal(unstack_blocks(stacked), state)


def test_the_state_of_a_masked_optimizer():
    """Where a mask leaves nothing of the blocks, nothing is stacked."""
    params = {
        "stage1": {f"block{n}": {"norm1": {"scale": np.ones(2)}} for n in (1, 2, 3)},
        "head": {"kernel": np.ones(2)},
    }
    mask = {"stage1": False, "head": True}
    state = optax.masked(optax.trace(0.9), mask).init(params)
    assert_equal(unstack_blocks(stack_blocks(state)), state)


def test_equal_blocks_start_differently():
    _, scanned = nets(stage_depths=(4,), widths=(4,))
    x = jnp.zeros((1, 2, 2, 3))
    params = jax.jit(lambda: scanned.init(jax.random.key(0), x, train=False))()["params"]
    kernels = np.asarray(params["stage1"]["blocks"]["conv1"]["kernel"])
    assert kernels.shape == (3, 3, 3, 4, 4)
    assert np.abs(kernels[0] - kernels[1]).min() > 0
    # He et al., arXiv 1502.01852: the stacked axis is no part of the fan.
    assert kernels.std() == pytest.approx(np.sqrt(2 / (9 * 4)), rel=0.15)


def test_the_program_does_not_grow_with_depth():
    def convolutions(depth):
        _, scanned = nets(stage_depths=(depth,) * 2)
        x = jnp.zeros((1, 8, 8, 3))
        shapes = jax.eval_shape(lambda: scanned.init(jax.random.key(0), x, train=False))
        step = jax.jit(jax.grad(lambda v: scanned.apply(v, x, train=False).sum()))
        return step.lower(shapes).as_text().count("stablehlo.convolution")

    assert convolutions(3) == convolutions(60) > 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_each_scanned_block_draws_for_itself(drawn, dtype):
    """With kernels of zero a branch is its last bias, and the logits a sum of what survives."""
    blocks = 7
    _, scanned = nets(
        stage_depths=(blocks,),
        widths=(4,),
        arrangement="relu_only_preactivation",
        norm="none",
        survival=0.2,
        dtype=dtype,
    )
    x = np.ones((200, 2, 2, 3), np.float32)
    params = jax.tree.map(np.zeros_like, drawn(scanned, x, train=False)["params"])
    params["stage1"]["blocks"]["conv2"]["bias"][:] = 1
    params["head"]["kernel"][:] = 1 / 4
    rngs = {"dropout": jax.random.key(1)}
    logits = scanned.apply({"params": params}, x, train=True, rngs=rngs)[:, :1]

    survival = np.array(linear_decay(0.2, blocks))[1:]
    sums = np.zeros((1, 1))
    for kept in 1 / survival:
        sums = np.concatenate([sums, sums + kept], axis=1)
    distance = np.abs(np.asarray(logits) - sums)
    assert distance.min(axis=1).max() < (1e-5 if dtype == "float32" else 0.05)
    # One draw for all blocks would drop the later whenever it drops the earlier.
    assert len(set(distance.argmin(axis=1))) > 2 * blocks
    deviation = np.sqrt(((1 - survival) / survival).sum() / len(x))
    assert abs(logits.mean() - len(survival)) < 4 * deviation
