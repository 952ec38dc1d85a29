"""How the kernels of convolutions start."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.models.building import resnet
from resnet_jax.models.kernels import KERNEL_INITS
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


@pytest.mark.parametrize(("window", "centre"), [(3, 1), (1, 0), (2, 1), (5, 2)])
def test_a_dirac_kernel_hands_its_inputs_on(window, centre):
    """torch.nn.init.dirac_ of the first filters; those beyond the inputs start as PyTorch's."""
    kernel = np.asarray(KERNEL_INITS["dirac"](jax.random.key(0), (window, window, 3, 5)))
    expected = np.zeros((window, window, 3, 3))
    expected[centre, centre] = np.eye(3)
    np.testing.assert_array_equal(kernel[..., :3], expected)
    assert 0 < np.abs(kernel[..., 3:]).max() <= 1 / np.sqrt(3 * window**2)
    narrower = np.asarray(KERNEL_INITS["dirac"](jax.random.key(0), (window, window, 5, 3)))
    np.testing.assert_array_equal(narrower[centre, centre], np.eye(5, 3))
    assert np.abs(narrower).sum() == 3


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
