"""Connections of one image, each against arithmetic that can be done by hand."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from command_line import ROOT
from models.connections.alone import alone, connected, constant, position

from resnet_jax.models.building import resnet
from resnet_jax.models.connections.updates import orthogonal, within_one
from resnet_jax.models.shortcuts import SHORTCUTS

X, F = position(3, 4), position(1, 2)


def close(found, expected, **tolerance):
    np.testing.assert_allclose(found, expected, rtol=1e-6, **tolerance)


def test_orthogonal_takes_from_f_what_is_along_x():
    # <x, F> = 11 and <x, x> = 25.
    y = connected(alone("orthogonal", 2), X, constant(F))
    close(y, position(3 + 1 - 11 / 25 * 3, 4 + 2 - 11 / 25 * 4))


@pytest.mark.parametrize(("over", "axes"), [("channels", 3), ("image", (1, 2, 3))])
def test_an_orthogonal_update_is_orthogonal_to_x(rng, over, axes):
    x, f = rng.normal(size=(2, 2, 3, 4, 5)).astype(np.float32)
    y = np.asarray(connected(alone("orthogonal", 5, over=over), x, constant(f)))
    np.testing.assert_allclose((x * (y - x)).sum(axes), 0, atol=2e-5)
    assert np.abs((x * f).sum(axes)).min() > 0.01
    # What is orthogonal already is added whole.
    np.testing.assert_allclose(
        connected(alone("orthogonal", 5, over=over), x, constant(y - x)), y, rtol=1e-4, atol=1e-5
    )


def test_an_orthogonal_update_over_the_image_is_no_such_one_of_each_position(rng):
    x, f = rng.normal(size=(2, 1, 2, 2, 3)).astype(np.float32)
    one, other = (
        connected(alone("orthogonal", 3, over=over), x, constant(f))
        for over in ("channels", "image")
    )
    share = (x * f).sum() / (x * x).sum()
    close(other, x + f - share * x, atol=1e-6)
    assert not np.allclose(one, other)


def test_a_branch_of_a_normaliser_free_network_is_scaled():
    close(connected(alone("normaliser_free", 2), X, constant(F)), X + 0.2 * F)
    module = alone("normaliser_free", 2, branch_scale=0.5)
    close(connected(module, X, constant(F)), X + 0.5 * F)


def test_it_sees_x_over_the_deviation_that_the_branches_since_a_projection_add():
    """Three blocks in a stage of variances 1, 1 + a^2 and 1 + 2 a^2, the last ahead of the next."""
    row = SHORTCUTS.choose({"name": "normaliser_free", "branch_scale": 0.5})
    close([row.scaled(np.float32(1), added) for added in (0, 1, 3)], [1, 1.25**-0.5, 1.75**-0.5])


def test_the_identity_decays_linearly_down_to_its_last_share():
    shares = [
        connected(alone("decayed_identity", 2, number=number, blocks=4), X, constant(0 * F)) / X
        for number in (1, 2, 3, 4)
    ]
    close(np.array(shares)[..., 0].ravel(), [0.9, 0.8, 0.7, 0.6])
    module = alone("decayed_identity", 2, number=2, blocks=4, last_share=0.0)
    close(connected(module, X, constant(F)), position(0.5 * 3 + 1, 0.5 * 4 + 2))


def test_a_scalar_gate_weighs_f():
    module = alone("scalar_gate", 2)
    close(connected(module, X, constant(F)), position(3.5, 5))
    params = {"gate": {"numbers": np.log(3.0)}}
    close(connected(module, X, constant(F), params), position(3.75, 5.5))


def test_a_channel_gate_weighs_each_channel_of_f():
    params = {"gate": {"numbers": [np.log(3.0), 0.0]}}
    close(connected(alone("channel_gate", 2), X, constant(F), params), position(3.75, 5))


def test_a_squeezed_gate_sees_the_means_of_both_paths():
    close(connected(alone("squeezed_gate", 2), X, constant(F)), position(3.5, 5))
    x = np.array([[[[1.0], [5.0]]]], np.float32)
    f = np.array([[[[2.0], [6.0]]]], np.float32)
    # The means are 3 and 4: relu(3 - 1) = 2, and relu(-4) = 0.
    params = {
        "gate_reduce": {"kernel": [[1, 0, 0, 0], [0, -1, 0, 0]], "bias": [-1, 0, 0, 0]},
        "gate_expand": {"kernel": [[0.5], [9], [9], [9]], "bias": [1]},
    }
    gate = 1 / (1 + np.exp(-2))
    close(connected(alone("squeezed_gate", 1), x, constant(f), params), x + gate * f)


@pytest.mark.parametrize(("blocks", "start"), [(36, 0.1), (37, 1e-5), (48, 1e-5), (49, 1e-6)])
def test_layer_scale_starts_smaller_in_deeper_networks(blocks, start):
    y = connected(alone("layer_scale", 2, blocks=blocks), 0 * X, constant(F))
    close(y, start * F)


def test_layer_scale_weighs_each_channel():
    params = {"layer_scale": {"numbers": [2.0, -1.0]}}
    close(connected(alone("layer_scale", 2), X, constant(F), params), position(5, 2))


def test_deep_norm_scales_x_by_the_fourth_root_of_the_number_of_blocks():
    close(connected(alone("deep_norm", 2, blocks=16), X, constant(F)), position(7, 10))
    module = alone("deep_norm", 2, blocks=16, shortcut_scale=1.5)
    close(connected(module, X, constant(F)), position(5.5, 8))


def test_deep_norm_starts_with_smaller_kernels_in_branches_alone():
    def kernels(shortcut):
        model = resnet(family="cifar", classes=2, stage_depths=(2, 2), widths=(3, 4), stem_width=3,
                       shortcut=shortcut)  # fmt: skip
        image = jnp.zeros((1, 4, 4, 3))
        params = jax.jit(lambda: model.init(jax.random.key(0), image, train=False))()["params"]
        block = params["stage2"]["block1"]
        return block["conv1"]["kernel"], block["projection"]["kernel"]

    (ours, projection), (plain, same) = kernels("deep_norm"), kernels("B")
    # (8 N)^(-1/4) for N = 2 layers of two blocks.
    close(ours, plain / 2)
    np.testing.assert_array_equal(projection, same)


def test_a_highway_gate_shares_between_the_two_paths():
    close(connected(alone("highway", 2), 0 * X, constant(F)), F / (1 + np.exp(2)))
    kernel = np.zeros((3, 3, 2, 2), np.float32)
    kernel[1, 1, 0, 0] = 1
    params = {"gate": {"kernel": kernel, "bias": [-3, 0]}}
    # The gates are sigmoid(3 - 3) and sigmoid(0).
    close(connected(alone("highway", 2), X, constant(F), params), position(2, 3))


def test_a_highway_gate_sees_the_neighbours_of_a_position():
    image = np.zeros((1, 3, 3, 1), np.float32)
    image[0, 0, 0] = 1
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[0, 0] = np.log(3)
    params = {"gate": {"kernel": kernel, "bias": [0.0]}}
    y = connected(alone("highway", 1), image, constant(np.ones_like(image)), params)
    np.testing.assert_allclose(y[0, 1, 1], 0.75, rtol=1e-6)


@pytest.mark.parametrize(("weight", "used"), [(0.5, 0.5), (1.7, 1.0), (-1.7, -1.0)])
def test_the_weight_of_f_lies_between_minus_one_and_one(weight, used):
    module = alone("weighted", 2)
    close(connected(module, X, constant(F)), X)
    close(connected(module, X, constant(F), {"weight": {"numbers": weight}}), X + used * F)


@pytest.mark.parametrize(
    ("weight", "slope", "passed"),
    [(0.5, 3, 3), (1.7, -3, 0), (1.7, 3, 3), (-1, 3, 0), (-1, -3, -3)],
)
def test_no_gradient_moves_a_weight_further_out(weight, slope, passed):
    assert jax.grad(lambda w: slope * within_one(w))(float(weight)) == passed


def test_deep_delta_rewrites_x_along_f():
    # k = (0, 1), b = 1 and v = 2: what x holds along k becomes 2.
    zero = {"kernel": [[0], [0]], "bias": [0]}
    params = {"gate": zero, "value": zero}
    branch = constant(position(0, 5))
    close(connected(alone("deep_delta", 2), X, branch, params), position(3, 2))
    # V x = 3, and W RMSNorm(x) = 3 / sqrt(12.5).
    params = {
        "gate": {"kernel": [[1], [0]], "bias": [0]},
        "value": {"kernel": [[1], [0]], "bias": [0]},
    }
    gate = 2 / (1 + np.exp(-3 / np.sqrt(12.5)))
    value = 4 / (1 + np.exp(-3))
    expected = position(3, 4 + gate * (value - 4))
    close(connected(alone("deep_delta", 2), X, branch, params), expected)


def test_deep_delta_starts_with_the_gate_that_is_asked_for():
    module = alone("deep_delta", 2, gate_start=0.5)
    bias = module.init(jax.random.key(0), X, constant(F))["params"]["gate"]["bias"]
    np.testing.assert_allclose(2 / (1 + np.exp(-bias)), 0.5, rtol=1e-6)


def test_deep_delta_keeps_x_where_f_is_zero():
    module = alone("deep_delta", 2)
    np.testing.assert_array_equal(connected(module, X, constant(0 * F)), X)
    variables = module.init(jax.random.key(0), X, constant(F))
    slope = jax.grad(lambda f: module.apply(variables, X, lambda *args: f).sum())(
        jnp.zeros(F.shape)
    )
    assert np.isfinite(slope).all()


def test_the_connection_that_contributing_shows_is_the_one_that_runs():
    assert inspect.getsource(orthogonal).rstrip() in (ROOT / "CONTRIBUTING.md").read_text()
