"""Where blurs and activations stand, as in the code that a recipe follows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from blocks import a_block
from scipy import ndimage

from resnet_jax.models.branches import basic, bottleneck_v1
from resnet_jax.models.building import resnet
from resnet_jax.models.connections.ends import option_a
from resnet_jax.models.layers import Layers
from resnet_jax.models.pooling import ANTIALIASING, Pool, max_pool


def blurred(x):
    """F.conv2d(x, (1 2 1)(1 2 1)/16, padding=1, groups=channels)."""
    filters = np.outer([1, 2, 1], [1, 2, 1])[None, :, :, None] / 16
    return ndimage.convolve(x, filters, mode="constant").astype(np.float32)


class TestBlurBefore:
    """train_imagenet.py of ffcv-imagenet, BlurPoolConv2d: in front of every strided convolution."""

    @pytest.mark.parametrize("branch", [basic, bottleneck_v1])
    @pytest.mark.parametrize("stride", [1, 2])
    def test_branch_and_projection_read_a_blurred_image(self, drawn, rng, branch, stride):
        """Both of these branches carry the stride in their first convolution."""
        x = rng.normal(size=(2, 6, 6, 3)).astype(np.float32)
        plain, block = (
            a_block("original", branch(), "B", width=2, stride=stride, train=False, antialias=row)
            for row in (None, ANTIALIASING["blur_before"])
        )
        variables = drawn(plain, x)
        expected = plain.apply(variables, blurred(x) if stride > 1 else x)
        np.testing.assert_allclose(block.apply(variables, x), expected, rtol=1e-4, atol=1e-5)

    def test_a_shortcut_without_a_strided_convolution_reads_the_image(self, drawn, rng):
        """Option D's projection follows a pool that carries the stride."""
        x = rng.normal(size=(2, 6, 6, 3)).astype(np.float32)
        plain, block = (
            a_block("original", basic(), "D", width=4, stride=2, train=False, antialias=row)
            for row in (None, ANTIALIASING["blur_before"])
        )
        variables = drawn(plain, x)
        # A branch of zeros leaves the shortcut.
        zeros = jax.tree.map(np.zeros_like, variables["params"])
        shortcut = {name: variables["params"][name] for name in ("projection", "projection_norm")}
        silent = {**variables, "params": {**zeros, **shortcut}}
        np.testing.assert_array_equal(block.apply(silent, x), plain.apply(silent, x))


@pytest.mark.parametrize("activate_stem", [False, True])
def test_what_the_pool_of_a_preactivated_stem_reads(drawn, rng, activate_stem):
    """fb.resnet.torch, preresnet.lua: convolution, norm, ReLU, pool; timm: convolution, pool."""
    read = []

    def pool(x, layers):
        read.append(x)
        return max_pool(x, layers)

    network = resnet(family="imagenet", classes=2, stage_depths=(1,), widths=(4,), stem_width=4,
                     arrangement="full_preactivation", activate_stem=activate_stem)  # fmt: skip
    network = network.clone(stem_pool=Pool(pool, windows=((3, 2),)))
    x = jnp.asarray(rng.normal(size=(1, 16, 16, 3)), jnp.float32)
    variables = drawn(network, x, train=False)
    read.clear()
    network.apply(variables, x, train=False)
    assert bool((read[0] >= 0).all()) == activate_stem
    norms = {"norm_shared"} & set(variables["params"]["stage1"])
    assert ("stem_lead_norm" in variables["params"]) == activate_stem == (not norms)


def test_activating_the_stem_changes_nothing_where_no_pool_follows(drawn, rng):
    def network(activate_stem):
        return resnet(family="cifar", classes=2, stage_depths=(1, 1), widths=(4, 8), stem_width=4,
                      arrangement="full_preactivation", activate_stem=activate_stem)  # fmt: skip

    x = jnp.asarray(rng.normal(size=(2, 8, 8, 3)), jnp.float32)
    variables = drawn(network(False), x, train=False)

    def moved(tree):
        stage = dict(tree["stage1"])
        return {**tree, "stem_lead_norm": stage.pop("norm_shared"), "stage1": stage}

    found = network(True).apply(
        {name: moved(tree) for name, tree in variables.items()}, x, train=False
    )
    expected = network(False).apply(variables, x, train=False)
    np.testing.assert_array_equal(jax.device_get(found), jax.device_get(expected))


@pytest.mark.parametrize("pooled", [False, True])
def test_option_a_subsamples_or_pools(rng, pooled):
    """ResidualDrop.lua of yueatsprograms/Stochastic_Depth pools by means."""
    x = rng.normal(size=(2, 4, 4, 3)).astype(np.float32)
    found, _ = option_a(x, 5, 2, Layers(), pooled=pooled)
    means = x.reshape(2, 2, 2, 2, 2, 3).mean((2, 4))
    np.testing.assert_allclose(found[..., :3], means if pooled else x[:, ::2, ::2], rtol=1e-5)
    assert found.shape == (2, 2, 2, 5) and not found[..., 3:].any()
