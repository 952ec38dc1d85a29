"""How the kernels of convolutions start, and convolutions that are computed with their norm."""

from collections.abc import Callable
from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.models.building import resnet
from resnet_jax.models.layers import KERNEL_INITS, Layers
from resnet_jax.models.shortcuts import SHORTCUTS
from resnet_jax.tables import UserError

KERNEL, CHANNELS, FEATURES = 3, 16, 64
FAN_IN, FAN_OUT = KERNEL**2 * CHANNELS, KERNEL**2 * FEATURES


@pytest.mark.parametrize(
    ("name", "variance", "largest"),
    [
        ("he_fan_out", 2 / FAN_OUT, None),
        ("he_fan_in", 2 / FAN_IN, None),
        # torch.nn.Conv2d draws evenly from +-1 / sqrt(fan in).
        ("pytorch", 1 / (3 * FAN_IN), 1 / np.sqrt(FAN_IN)),
    ],
)
def test_the_spread_of_a_new_kernel(name, variance, largest):
    shape = (KERNEL, KERNEL, CHANNELS, FEATURES)
    kernel = np.asarray(KERNEL_INITS[name](jax.random.key(0), shape, jnp.float32))
    assert kernel.var() == pytest.approx(variance, rel=0.05)
    assert abs(kernel.mean()) < 4 * np.sqrt(variance / kernel.size)
    if largest:
        assert 0.99 * largest < np.abs(kernel).max() <= largest
    else:
        assert np.abs(kernel).max() > 3.5 * np.sqrt(variance)


@pytest.mark.parametrize("shortcut", ["B", "exclusive_gating", "convolution_1x1"])
def test_every_convolution_starts_as_chosen(shortcut):
    model = resnet(family="cifar", classes=3, stage_depths=(1,), widths=(5,), stem_width=4)
    sevens = replace(model.layers, kernel_init=lambda key, shape, dtype: jnp.full(shape, 7, dtype))
    model = model.clone(block=replace(model.block, shortcut=SHORTCUTS[shortcut]), layers=sevens)
    x = jnp.zeros((1, 4, 4, 3))
    params = jax.jit(lambda: model.init(jax.random.key(0), x, train=False))()["params"]
    kernels = {
        jax.tree_util.keystr(path): np.unique(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if path[-1].key == "kernel" and path[0].key != "head"
    }
    assert len(kernels) == 4
    for name, values in kernels.items():
        assert values.tolist() == [7], name


def test_an_unknown_start():
    with pytest.raises(UserError, match=r"'he_fanin'.*mean 'he_fan_in'.*valid: he_fan_out, "):
        resnet(family="cifar", classes=2, depth=8, kernel_init="he_fanin")


def together(layers, x, conv):
    return layers.conv_norm(x, conv, name="norm")


def one_after_the_other(layers, x, conv):
    return layers.make_norm(name="norm")(conv(x))


class ConvNorm(nn.Module):
    compute: Callable
    features: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    dtype: type = jnp.float64

    @nn.compact
    def __call__(self, x):
        layers = Layers(dtype=self.dtype, joint_norm=True, train=True)
        conv = layers.conv(self.features, self.kernel, self.stride, name="conv",
                           feature_group_count=self.groups)  # fmt: skip
        return self.compute(layers, x, conv)


def value_and_gradients(drawn, x, compute, **options):
    module = ConvNorm(compute, **options)
    variables = drawn(module, x)

    def loss(params, x):
        y, updated = module.apply({**variables, "params": params}, x, mutable="batch_stats")
        return jnp.sin(3 * y.astype(jnp.float32)).sum(), (y, updated)

    return jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(variables["params"], x)


@pytest.mark.parametrize(
    "options",
    [
        {"features": 16},
        {"features": 20, "stride": 2},
        {"features": 15},
        {"features": 16, "kernel": 3},
        {"features": 16, "groups": 2},
    ],
    ids=str,
)
def test_a_convolution_and_its_norm_compute_the_same_together(float64, drawn, rng, options):
    x = rng.normal(size=(3, 5, 4, 4)) + 1
    results = [
        value_and_gradients(drawn, x, compute, **options)
        for compute in (together, one_after_the_other)
    ]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9), *results)


def test_together_in_bfloat16(drawn, rng):
    """No further from the same in float32 than a norm of a rounded product is."""
    x = jnp.asarray(rng.normal(size=(8, 5, 4, 16)) + 1, jnp.bfloat16)
    exact, exact_stats = value_and_gradients(
        drawn, x.astype(jnp.float32), together, features=64, dtype=jnp.float32
    )[1]
    errors = {}
    for compute in (together, one_after_the_other):
        y, stats = value_and_gradients(drawn, x, compute, features=64, dtype=jnp.bfloat16)[1]
        assert y.dtype == jnp.bfloat16
        errors[compute] = np.abs(y.astype(jnp.float32) - exact).mean()
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 0.01, 0.01), stats, exact_stats)
    assert errors[together] < 1.1 * errors[one_after_the_other]


@pytest.mark.parametrize(("features", "arrays"), [(16, 1), (15, 2)])
def test_a_widening_convolution_is_not_kept_for_the_way_back(drawn, rng, features, arrays):
    """Of its width only the output comes out of the way there; else what was normalised as well."""
    x = rng.normal(size=(3, 5, 4, 4)).astype(np.float32)
    module = ConvNorm(together, features, dtype=jnp.float32)
    variables = drawn(module, x)
    forward = jax.jit(lambda x: jax.vjp(
        lambda x: module.apply(variables, x, mutable="batch_stats"), x
    ))  # fmt: skip
    kept = jax.tree.leaves(jax.eval_shape(forward, x))
    assert sum(leaf.size == 3 * 5 * 4 * features for leaf in kept) == arrays
