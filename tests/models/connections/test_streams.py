"""Connections of several streams, against sums over streams that are written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from models.connections.alone import alone, connected

from resnet_jax.models.connections.streams import copies, total


def doubled(x, copy, stride):
    return 2 * x[:, ::stride, ::stride]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.fixture
def state(rng):
    """Three streams of two channels on 1x2 positions."""
    return rng.normal(size=(1, 1, 2, 3, 2)).astype(np.float32)


def by_hand(h, alpha, beta):
    """The new streams of one position: sum_i a_ij h_i + b_j F(sum_i a_i0 h_i)."""
    count = len(h)
    read = sum(alpha[i, 0] * h[i] for i in range(count))
    return [
        sum(alpha[i, j + 1] * h[i] for i in range(count)) + beta[j] * 2 * read for j in range(count)
    ]


def test_static_streams_are_mixed_and_f_is_added_to_each(rng, state):
    alpha, beta = rng.normal(size=(3, 4)), rng.normal(size=3)
    params = {"alpha": {"numbers": alpha}, "beta": {"numbers": beta}}
    y = connected(alone("hyper", 2, streams=3, dynamic=False), state, doubled, params)
    for place in range(2):
        np.testing.assert_allclose(
            y[0, 0, place], by_hand(state[0, 0, place], alpha, beta), rtol=1e-5, atol=1e-5
        )


def test_dynamic_weights_are_those_of_each_stream_at_each_position(rng, state):
    alpha, beta, kernel = (rng.normal(size=shape) for shape in ((3, 4), 3, (2, 5)))
    params = {
        "alpha": {"numbers": alpha},
        "beta": {"numbers": beta},
        "dynamic": {"kernel": kernel},
        "dynamic_scale": {"numbers": [0.5, 2.0]},
    }
    y = connected(alone("hyper", 2, streams=3), state, doubled, params)
    for place in range(2):
        h = state[0, 0, place]
        normed = (h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + 1e-6)
        weights = np.tanh(normed @ kernel)
        expected = by_hand(h, alpha + 0.5 * weights[:, :4], beta + 2 * weights[:, 4])
        np.testing.assert_allclose(y[0, 0, place], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("number", "read"), [(1, 0), (2, 1), (3, 2), (4, 0)])
def test_each_block_reads_another_stream_at_first(state, number, read):
    y = connected(alone("hyper", 2, streams=3, number=number), state, doubled)
    np.testing.assert_allclose(y, state + 2 * state[..., read, None, :], rtol=1e-6)


def test_manifold_weights_are_constrained_functions_of_all_streams(rng, state):
    kernel, static = rng.normal(size=(6, 15)), rng.normal(size=15)
    params = {
        "dynamic": {"kernel": kernel},
        "dynamic_scale": {"numbers": [0.5, 2.0, 0.25]},
        "static": {"numbers": static},
    }
    module = alone("manifold_hyper", 2, streams=3, sinkhorn_steps=30)
    y = connected(module, state, doubled, params)
    for place in range(2):
        h = state[0, 0, place]
        flat = h.ravel() / np.sqrt((h**2).mean() + 1e-6)
        logits = np.repeat([0.5, 2, 0.25], [3, 3, 9]) * (flat @ kernel) + static
        mixed = np.exp(logits[6:].reshape(3, 3))
        for _ in range(30):
            mixed = mixed / mixed.sum(0)
            mixed = mixed / mixed.sum(1, keepdims=True)
        read = sigmoid(logits[:3]) @ h
        expected = mixed @ h + 2 * sigmoid(logits[3:6])[:, None] * 2 * read
        np.testing.assert_allclose(y[0, 0, place], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("number", "own"), [(1, 0), (2, 1), (6, 1)])
def test_each_block_reads_and_writes_a_manifold_stream_most_at_first(state, number, own):
    logits = np.full(4, -1.0)
    logits[own] = 1
    equal = np.broadcast_to(state[..., :1, :], (1, 1, 2, 4, 2))
    y = connected(alone("manifold_hyper", 2, number=number), equal, doubled)
    added = 2 * sigmoid(logits) * 2 * sigmoid(logits).sum()
    np.testing.assert_allclose(y, (1 + added[:, None]) * equal, rtol=1e-4)


@pytest.mark.parametrize("name", ["hyper", "manifold_hyper"])
def test_streams_change_their_shape_together(rng, name):
    state = rng.normal(size=(2, 3, 4, 4, 2)).astype(np.float32)

    def widened(x, copy, stride):
        return jnp.zeros((2, 2, 2, 3))

    module = alone(name, 3, stride=2)
    variables = module.init(jax.random.key(0), state, widened)
    kernel = np.asarray(variables["params"]["projection"]["kernel"])[0, 0]
    y = module.apply(variables, state, widened)
    np.testing.assert_allclose(y, state[:, ::2, ::2] @ kernel, rtol=0.01, atol=0.01)


def test_streams_begin_as_copies_and_end_as_their_sum(rng):
    x = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    streams = copies(x, None, 3)
    assert streams.shape == (2, 3, 4, 3, 5)
    np.testing.assert_allclose(total(streams, None), 3 * x, rtol=1e-6)


def test_a_generalised_block_has_four_branches(rng):
    """r' = s(r) + F(r) + F2(t) and t' = F3(r) + F4(t)."""
    state = rng.normal(size=(1, 2, 2, 6)).astype(np.float32)
    r, t = state[..., :3], state[..., 3:]

    def branch(x, copy, stride):
        return (1, 10, 100, 1000)[copy - 1] * x

    y = connected(alone("resnet_in_resnet", 3), state, branch)
    np.testing.assert_allclose(y[..., :3], r + r + 10 * t, rtol=1e-5)
    np.testing.assert_allclose(y[..., 3:], 100 * r + 1000 * t, rtol=1e-5)


def test_a_reversible_block_adds_to_one_half_and_then_to_the_other():
    x = np.array([3.0, 5.0], np.float32)[None, None, None, :, None]

    def branch(x, copy, stride):
        return 2 * x if copy == 1 else x**2

    # y1 = 3 + 2 * 5, and y2 = 5 + y1^2.
    y = connected(alone("reversible", 1), x, branch)
    np.testing.assert_array_equal(y.ravel(), [13, 174])


def test_a_reversible_block_inverts(rng):
    x = rng.normal(size=(2, 3, 3, 2, 4)).astype(np.float32)
    kernels = rng.normal(size=(2, 4, 4)).astype(np.float32)

    def branch(x, *, copy=1, stride=1):
        return jnp.sin(x @ kernels[copy - 1])

    module = alone("reversible", 4)
    y = connected(module, x, lambda x, copy, stride: branch(x, copy=copy))
    back = module.row.inverse(y, branch, module.site, None)
    np.testing.assert_allclose(back, x, rtol=1e-5, atol=1e-5)
    assert not np.allclose(y, x)
