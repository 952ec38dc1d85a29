"""Compound convolutions by arithmetic: what is split, what meets, and that weights sum to 1."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.models.branches import basic
from resnet_jax.models.building import resnet
from resnet_jax.models.compound_branches import res2net, resnest, selective_kernel
from resnet_jax.models.compounds import Place, hierarchy, whole
from resnet_jax.models.layers import Layers
from resnet_jax.tables import UserError

SMALL = {"family": "cifar", "classes": 3, "stage_depths": (2,), "widths": (8,), "stem_width": 8}


def doubled(x, features, **_):
    """In place of a convolution."""
    assert x.shape[-1] == features
    return 2 * x


@pytest.mark.parametrize("opens", [False, True])
def test_scales_meet_but_where_the_shape_changes(rng, opens):
    x = rng.normal(size=(1, 4, 4, 6)).astype(np.float32)
    first, second, last = np.split(x, 3, axis=-1)
    y = hierarchy(3).function(x, doubled, Place(2, 6, 1, 1, opens), Layers())
    if opens:
        # Zeros at the edge count in the mean: at a corner, four of nine values are others.
        corner = last[:, :2, :2].sum(axis=(1, 2)) / 9
        np.testing.assert_allclose(y[..., :4], 2 * np.concatenate([first, second], -1), rtol=1e-6)
        np.testing.assert_allclose(y[:, 0, 0, 4:], corner, rtol=1e-5)
    else:
        expected = np.concatenate([2 * first, 2 * (second + 2 * first), last], axis=-1)
        np.testing.assert_allclose(y, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "compound",
    [
        resnest(radix=2, groups=2).convolutions[1].compound,
        selective_kernel(split=False).convolutions[1].compound,
    ],
    ids=["split attention", "selective kernel"],
)
def test_the_weights_of_equal_images_sum_to_1(drawn, rng, compound):
    class Module(nn.Module):
        @nn.compact
        def __call__(self, x):
            def copies(x, features, **_):
                return jnp.tile(x, features // x.shape[-1])

            return compound.function(x, copies, Place(2, 8, 1, 2, opens=False), Layers())

    x = rng.normal(size=(2, 3, 4, 8)).astype(np.float32)
    np.testing.assert_allclose(Module().apply(drawn(Module(), x), x), x, rtol=1e-4, atol=1e-5)


def test_one_split_is_weighted_by_a_number_below_1(drawn, rng):
    compound = resnest(radix=1).convolutions[1].compound

    class Module(nn.Module):
        @nn.compact
        def __call__(self, x):
            place = Place(2, 8, 1, 1, opens=False)
            return compound.function(x, lambda x, *_, **__: x, place, Layers())

    x = rng.normal(size=(2, 3, 4, 8)).astype(np.float32)
    ratio = np.asarray(Module().apply(drawn(Module(), x), x)) / x
    assert np.all((ratio > 0) & (ratio < 1))


def test_widths_are_rounded_to_multiples_and_keep_nine_tenths():
    assert [whole(share, 8) for share in (4, 12, 19, 20)] == [8, 16, 24, 24]
    # 16 is nearer to 17.9, but less than nine tenths of it.
    assert [whole(17.9, 16), whole(3, 8, least=32)] == [32, 32]


def test_a_path_is_as_long_as_its_convolutions_are_in_sequence():
    plain, scaled = basic().convolutions[0], res2net(scales=5).convolutions[1]
    assert plain.windows(2, opens=True) == ((3, 2),)
    assert scaled.windows(1, opens=False) == ((3, 1),) * 4
    assert scaled.windows(2, opens=True) == ((3, 2),)
    assert resnest(pool_first=True).convolutions[1].windows(2, opens=True) == ((3, 2), (3, 1))
    assert resnest().convolutions[1].windows(2, opens=True) == ((3, 1), (3, 2))
    assert selective_kernel().convolutions[1].windows(2, opens=True) == ((5, 2),)


@pytest.mark.slow
@pytest.mark.parametrize("branch", ["res2net", "resnest", "selective_kernel"])
def test_folding_and_scanning_change_no_logit(drawn, rng, branch):
    from resnet_jax.compression.folding import fold
    from resnet_jax.models.scan import stack_blocks

    model = resnet(**{**SMALL, "stage_depths": (3,)}, branch=branch)
    x = rng.normal(size=(2, 8, 8, 3)).astype(np.float32)
    variables = drawn(model, x, train=False)
    logits = model.apply(variables, x, train=False)
    folded, params = fold(model, variables)
    np.testing.assert_allclose(folded.apply(params, x, train=False), logits, rtol=1e-3, atol=1e-4)
    scanned = model.clone(scan_blocks=True).apply(stack_blocks(variables), x, train=False)
    np.testing.assert_allclose(scanned, logits, rtol=1e-3, atol=1e-4)


def test_channels_of_several_convolutions_can_not_be_taken_out():
    from resnet_jax.compression.pruning import without_channels

    model = resnet(**SMALL, branch="res2net")
    with pytest.raises(UserError, match=r"this model\.branch has several in the place of one"):
        without_channels(model, {}, 0.5)


@pytest.mark.parametrize(
    ("branch", "message"),
    [
        ({"name": "resnest", "radix": 3}, "8 channels can't be split into 3 parts"),
        ({"name": "selective_kernel", "base_width": 40}, "5 channels can't be split into 2 parts"),
    ],
)
def test_channels_that_can_not_be_split_are_refused(branch, message):
    model = resnet(**SMALL, branch=branch)
    with pytest.raises(UserError, match=message):
        jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)), train=False))


def test_dilated_kernels_see_every_other_pixel():
    layer = Layers().conv(1, 3, dilation=2, kernel_init=nn.initializers.ones)
    spike = jnp.zeros((1, 7, 7, 1)).at[0, 3, 3].set(1)
    y, _ = layer.init_with_output(jax.random.key(0), spike)
    expected = np.zeros((7, 7))
    expected[1::2, 1::2] = 1
    np.testing.assert_array_equal(y[0, :, :, 0], expected)
