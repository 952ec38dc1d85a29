"""Connections to all earlier blocks, against sums that are written out."""

import numpy as np
import pytest
from models.connections.alone import alone, connected, constant, position

from resnet_jax.models.connections.earlier import attended, newest, one

X, F = position(3, 4), position(1, 2)


def test_concatenation_keeps_x_and_adds_channels():
    np.testing.assert_array_equal(
        connected(alone("concatenation", 2), X, constant(F)), position(3, 4, 1, 2)
    )


def test_a_transition_halves_channels_and_positions():
    image = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2) - 1
    seen = []

    def branch(x, copy, stride):
        seen.append((np.asarray(x), stride))
        return 10 * x

    params = {
        "transition": {"kernel": [[[[1.0], [0.0]]]]},
        "transition_norm": {"scale": [np.sqrt(1 + 1e-5)] * 2, "bias": [0, 0]},
    }
    y = connected(alone("concatenation", 1, stride=2), image, branch, params)
    # The first channel is -1, 1, 3, 5: its ReLU has the mean 9 / 4.
    np.testing.assert_allclose(y.ravel(), [9 / 4, 90 / 4], rtol=1e-5)
    assert seen[-1][1] == 1


def test_both_paths_are_fused():
    kernel = np.array([[1, 0], [0, 1], [2, 0], [0, -1]])[None, None]
    y = connected(alone("fused", 2), X, constant(F), {"fusion": {"kernel": kernel}})
    np.testing.assert_allclose(y, position(3 + 2, 4 - 2))


def test_a_dense_sum_weighs_all_earlier_outputs():
    state = np.stack([position(1, 1), position(10, 20), X], axis=3)
    y = connected(alone("dense_sum", 2), state, constant(F))
    np.testing.assert_array_equal(y[:, :, :, :3], state)
    np.testing.assert_array_equal(newest(y, None), X + F)
    params = {"weights": {"numbers": [[0.5, 0], [0, 1], [2, 3]]}}
    y = connected(alone("dense_sum", 2), state, constant(F), params)
    np.testing.assert_allclose(newest(y, None), position(1 + 0.5 + 6, 2 + 20 + 12))


def test_a_dense_sum_begins_anew_in_each_stage():
    state = np.stack([position(1, 1), X], axis=3)
    y = connected(alone("dense_sum", 4, ends="A"), state, constant(position(1, 2, 3, 4)))
    np.testing.assert_array_equal(y[0, 0, 0], [[3, 4, 0, 0], [4, 6, 3, 4]])


def reading(found):
    def branch(x, copy, stride):
        found.append(np.asarray(x))
        return 7 * x

    return branch


def test_attention_reads_the_mean_of_all_earlier_values_at_first():
    found = []
    state = np.stack([position(1, 1), X], axis=3)
    y = connected(alone("attention", 2, number=2, blocks=4), state, reading(found))
    np.testing.assert_allclose(found[-1], position(2, 2.5))
    np.testing.assert_allclose(y[0, 0, 0], [[1, 1], [3, 4], [14, 17.5]])


def test_attention_weighs_values_by_a_softmax_over_their_normalised_keys():
    found = []
    state = np.stack([position(1, 1), X], axis=3)
    params = {"query": {"numbers": [2.0, -1.0]}}
    connected(alone("attention", 2, number=2, blocks=4), state, reading(found), params)
    # (1, 1) has the root mean square 1, and (3, 4) that of sqrt(12.5).
    scores = np.exp([2 - 1, (6 - 4) / np.sqrt(12.5)])
    weights = scores / scores.sum()
    expected = weights[0] * np.array([1, 1]) + weights[1] * np.array([3, 4])
    np.testing.assert_allclose(found[-1].ravel(), expected, rtol=1e-5)


def test_the_first_block_reads_the_image():
    found = []
    connected(alone("attention", 2, blocks=4), one(X, None), reading(found))
    np.testing.assert_array_equal(found[-1], X)
    np.testing.assert_array_equal(attended(one(X, None), None), X)


@pytest.mark.parametrize(
    ("blocks", "groups", "opening"),
    [
        (4, 2, [1, 3]),
        (5, 2, [1, 4]),
        (6, 4, [1, 3, 5, 6]),
        (3, 8, [1, 2, 3]),
        (4, None, [1, 2, 3, 4]),
    ],
)
def test_the_blocks_of_a_group_are_one_value(blocks, groups, opening):
    values = []
    for number in range(1, blocks + 1):
        module = alone("attention", 2, number=number, blocks=blocks, groups=groups)
        state = np.stack([position(0, 0), X], axis=3)
        y = connected(module, state, constant(F))
        if y.shape[3] == 3:
            values.append(number)
        else:
            np.testing.assert_allclose(newest(y, None), X + F)
    assert values == opening
