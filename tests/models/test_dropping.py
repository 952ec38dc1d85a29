"""What training drops of a block: whole branches, and single activations in them."""

import jax
import numpy as np
import pytest
from blocks import KEY, a_block

from resnet_jax.models.branches import basic, wide


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


def test_what_has_no_shortcut_is_not_dropped(drawn, rng):
    """Else nothing would be left of the image."""
    x = rng.normal(size=(4, 4, 4, 2)).astype(np.float32)
    row = "relu_only_preactivation", basic(), "identity_or_none"
    options = {"width": 3, "stride": 2, "norm": False}
    block = a_block(*row, **options, train=True, stochastic_depth=True)
    variables = drawn(block, x)
    never = block.apply(variables, x, 1e-6, rngs={"dropout": KEY})
    without = a_block(*row, **options, train=True).apply(variables, x)
    np.testing.assert_array_equal(never, without)


def test_whole_batches_are_dropped_and_scaled_in_evaluation(drawn, rng):
    """ResidualDrop.lua of yueatsprograms/Stochastic_Depth: a gate a batch, then 1 - deathRate."""
    survival, draws = 0.7, 400
    x = rng.normal(size=(3, 2, 2, 3)).astype(np.float32)
    options = {"stochastic_depth": True, "drop_whole_batch": True}
    block = dropping(train=True, **options)
    variables = drawn(block, x, survival)
    branch = np.asarray(dropping(train=False).apply(variables, x)) - x

    def trained(key):
        return block.apply(variables, x, survival, rngs={"dropout": key})

    outputs = np.asarray(jax.vmap(trained)(jax.random.split(KEY, draws)))
    kept = np.abs(outputs - x).max((1, 2, 3, 4)) > 0
    np.testing.assert_allclose(outputs[kept] - x, [branch] * kept.sum(), rtol=1e-4, atol=1e-5)
    assert abs(kept.mean() - survival) < 4 * np.sqrt(survival * (1 - survival) / draws)
    evaluated = dropping(train=False, **options).apply(variables, x, survival) - x
    np.testing.assert_allclose(evaluated, survival * branch, rtol=1e-4, atol=1e-6)


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


def test_dropout_follows_the_activation_of_a_preactivated_block(rng):
    """Convolution, norm, ReLU, dropout, convolution: models/wide-resnet.lua of Wide ResNet.

    The second norm adds 1 to a first convolution of zeros, and the second convolution is the
    identity; dropout before the norm would leave no zeros.
    """
    x = rng.normal(size=(4, 16, 16, 8)).astype(np.float32)
    block = a_block("full_preactivation", wide((1, 1)), "none", width=8, train=True, dropout=0.25)
    zeros, ones, eye = np.zeros(8, np.float32), np.ones(8, np.float32), np.eye(8, dtype=np.float32)
    params = {
        "norm1": {"scale": ones, "bias": zeros},
        "conv1": {"kernel": np.zeros_like(eye)[None, None]},
        "norm2": {"scale": ones, "bias": ones},
        "conv2": {"kernel": eye[None, None]},
    }
    statistics = {name: {"mean": zeros, "var": ones} for name in ("norm1", "norm2")}
    variables = {"params": params, "batch_stats": statistics}
    y, _ = block.apply(variables, x, rngs={"dropout": KEY}, mutable=["batch_stats"])
    assert abs((y == 0).mean() - 0.25) < 0.03
    np.testing.assert_allclose(y[y != 0], 1 / 0.75, rtol=1e-5)
