"""What the published networks add to the block: attention, pools, stems, standardised kernels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.models.attention import ATTENTIONS
from resnet_jax.models.branches import bottleneck, regnet
from resnet_jax.models.building import resnet
from resnet_jax.models.layers import Layers
from resnet_jax.models.pooling import ANTIALIASING, STEM_POOLS, average_pool, blur_pool
from resnet_jax.models.published.regnet import Line
from resnet_jax.models.standardisation import standardise, standardised
from resnet_jax.models.stems import STEMS
from resnet_jax.tables import UserError

SMALL = {"family": "cifar", "classes": 3, "stage_depths": (1, 1), "widths": (8, 16)}
LAYERS = Layers()
SE_OF_INPUT = {"name": "squeeze_excitation", "multiple": 1, "of_input": True}


def test_blurring_keeps_a_constant_and_weighs_neighbours_1_2_1():
    np.testing.assert_array_equal(
        blur_pool(jnp.full((1, 5, 4, 2), 3.0), 2), np.full((1, 3, 2, 2), 3)
    )
    spike = jnp.zeros((1, 5, 5, 1)).at[0, 2, 2].set(16)
    np.testing.assert_array_equal(
        blur_pool(spike, 1)[0, 1:4, 1:4, 0], np.outer([1, 2, 1], [1, 2, 1])
    )
    # Mirrored at the edge: the outer neighbour is the inner one once more.
    edge = jnp.zeros((1, 5, 5, 1)).at[0, 1, 2].set(16)
    np.testing.assert_array_equal(blur_pool(edge, 1)[0, 0, 1:4, 0], [2, 4, 2])


def test_what_is_left_over_at_the_edge_of_a_mean_is_dropped():
    x = jnp.arange(5.0)[None, None, :, None] + jnp.zeros((1, 3, 1, 1))
    np.testing.assert_array_equal(average_pool(x, 2)[0, :, :, 0], [[0.5, 2.5]])


def test_a_pool_over_an_edge_of_zeros_is_never_negative_there():
    x = -jnp.ones((1, 4, 4, 1))
    np.testing.assert_array_equal(
        STEM_POOLS["max"].function(x, LAYERS)[0, :, :, 0], -np.ones((2, 2))
    )
    pooled = STEM_POOLS["max_with_zeros"].function(x, LAYERS)[0, :, :, 0]
    np.testing.assert_array_equal(pooled, [[0, 0], [0, -1]])


def test_a_pool_from_the_corner_reads_no_edge_before_the_first_row():
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    pool = STEM_POOLS["max_from_corner"].function
    np.testing.assert_array_equal(pool(x, LAYERS)[0, :, :, 0], [[10, 11], [14, 15]])
    np.testing.assert_array_equal(pool(x[:, :3, :3], LAYERS)[0, :, :, 0], [[10]])


@pytest.mark.parametrize("name", STEM_POOLS)
@pytest.mark.parametrize("stem", STEMS)
def test_every_stem_and_pool_halves_what_it_says(stem, name):
    model = resnet(**SMALL, stem=stem, stem_pool=name)
    x = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)
    logits = jax.eval_shape(
        lambda x: model.init_with_output(jax.random.key(0), x, train=False)[0], x
    )
    assert logits.shape == (2, 3)


SCALING = [name for name in ATTENTIONS if name not in ("response", "global_context")]


@pytest.mark.parametrize("name", SCALING)
def test_attention_multiplies_each_channel_by_one_number_below_1(drawn, rng, name):
    import flax.linen as nn

    class Module(nn.Module):
        @nn.compact
        def __call__(self, x):
            return ATTENTIONS[name].apply(x, LAYERS, 8)

    x = rng.normal(size=(2, 3, 4, 16)).astype(np.float32)
    y = Module().apply(drawn(Module(), x), x)
    ratio = np.asarray(y / x)
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1, :1], x.shape), rtol=1e-5)
    if name == "none":
        assert np.all(ratio == 1)
    else:
        assert np.all((ratio > 0) & (ratio < 1)) and ratio.std() > 0


def test_the_response_of_a_channel_is_its_share_of_all_by_hand(drawn, rng):
    """x (1 + g n) + b; two channels of norms 3 and 1 have n = 3/2 and 1/2."""
    import flax.linen as nn

    class Module(nn.Module):
        @nn.compact
        def __call__(self, x):
            return ATTENTIONS["response"].apply(x, LAYERS, 8)

    x = np.zeros((1, 3, 3, 2), np.float32)
    x[0, 0, :, 0], x[0, 2, 1, 1] = (2, -2, 1), -1
    start = Module().init(jax.random.key(0), x)
    np.testing.assert_array_equal(Module().apply(start, x), x)
    params = {"scale": np.float32([2, 4]), "bias": np.float32([0.5, -1])}
    found = Module().apply({"params": {"attention": params}}, x)
    expected = np.stack([x[..., 0] * (1 + 2 * 1.5) + 0.5, x[..., 1] * (1 + 4 * 0.5) - 1], axis=-1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_global_context_by_hand(drawn, rng):
    """x + W2 relu(norm(W1 c)), c a mean with weights that are a softmax over positions."""
    import flax.linen as nn

    class Module(nn.Module):
        @nn.compact
        def __call__(self, x):
            return ATTENTIONS["global_context"].apply(x, LAYERS, 16)

    x = rng.normal(size=(2, 3, 5, 16)).astype(np.float32)
    start = Module().init(jax.random.key(0), x)
    np.testing.assert_array_equal(Module().apply(start, x), x)
    variables = drawn(Module(), x)
    layers = variables["params"]

    def mapped(x, name):
        return x @ layers[name]["kernel"] + layers[name]["bias"]

    scores = np.exp(mapped(x, "attention_positions"))
    context = (x * scores / scores.sum((1, 2), keepdims=True)).sum((1, 2))
    y = mapped(context, "attention_reduce")
    assert y.shape == (2, 2)
    y = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + 1e-6)
    norm = layers["attention_norm"]
    y = mapped(np.maximum(y * norm["scale"] + norm["bias"], 0), "attention_expand")
    np.testing.assert_allclose(
        Module().apply(variables, x), x + y[:, None, None], rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("size", [0.0, 1e-25])
def test_the_response_of_a_channel_that_is_off_has_a_gradient(size):
    """1e-25 is a number in float32 and its square is not."""
    x = jnp.ones((1, 3, 3, 2)).at[..., 0].set(size)
    import flax.linen as nn

    class Module(nn.Module):
        @nn.compact
        def __call__(self, x):
            return ATTENTIONS["response"].apply(x, LAYERS, 8)

    params = {"scale": jnp.full(2, 0.5), "bias": jnp.zeros(2)}

    def total(x):
        return Module().apply({"params": {"attention": params}}, x).sum()

    assert np.all(np.isfinite(jax.grad(total)(x)))


def test_standardised_kernels_have_mean_0_and_variance_1_and_no_scale(rng):
    kernel = 5 + 3 * rng.normal(size=(3, 3, 4, 6)).astype(np.float32)
    weights = np.asarray(standardise(kernel, 1e-8))
    np.testing.assert_allclose(weights.mean((0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(weights.var((0, 1, 2)), 1, rtol=1e-5)
    scaled = standardise(kernel, 1e-8, gain=3.0)
    np.testing.assert_allclose(scaled, 3 / np.sqrt(3 * 3 * 4) * weights, rtol=1e-5)
    x = rng.normal(size=(1, 5, 5, 4)).astype(np.float32)
    same = [
        standardised(x, scale * kernel, (1, 1), ((1, 1), (1, 1)), epsilon=1e-8) for scale in (1, 9)
    ]
    np.testing.assert_allclose(*same, rtol=1e-4, atol=1e-4)


def test_a_group_sees_its_own_channels_alone():
    branch = bottleneck(groups=4, base_width=4)
    assert [conv.features(64) for conv in branch.convolutions] == [16, 16, 256]
    assert [conv.groups for conv in branch.convolutions] == [1, 4, 1]
    with pytest.raises(UserError, match="10 features can't be split into 4 groups"):
        branch.convolutions[1].features(40)
    middle = regnet(group_width=6).convolutions[1]
    assert [middle.groups_in(width) for width in (4, 6, 12)] == [1, 1, 2]
    with pytest.raises(UserError, match="8 features can't be split into groups of 6"):
        middle.features(8)


def test_a_share_of_a_blocks_input_is_rounded_to_whole_channels():
    """RegNetY: a quarter of 10 and of 14 channels are 2.5 and 3.5, and pycls takes the even one."""
    model = resnet(
        **{**SMALL, "widths": (10, 14), "stem_width": 14},
        branch={"name": "regnet", "group_width": 14},
        attention={**SE_OF_INPUT, "reduction": 1 / 4},
    )
    x = jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32)
    params = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), x)["params"]
    shapes = [params[s]["block1"]["attention_reduce"]["kernel"].shape for s in ("stage1", "stage2")]
    assert shapes == [(10, 4), (14, 2)]


def test_the_line_of_a_regnet_by_hand():
    """8, 20, 32, 44, 56, 68 are 8 times 2 to the 0, 1.3, 2, 2.5, 2.8, 3.1: 0, 1, 2, 2, 3, 3."""
    line = Line(depth=6, initial=8, slope=12.0, growth=2.0, group_width=24)
    assert line.stages() == {8: 1, 16: 1, 32: 2, 64: 2}
    # 1 1/3 and 2 2/3 groups of 24; a half goes to the even number of groups, or up.
    assert [line.whole_groups(width) for width in (8, 32, 64, 36, 60)] == [8, 24, 72, 48, 48]
    widths = [line.whole_groups_of_torchvision(width) for width in (8, 64, 32, 36, 60)]
    assert widths == [8, 72, 48, 48, 72]  # 24 would be less than nine tenths of 32


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"stem": "deeper"}, r"unknown model.stem 'deeper' \(did you mean 'deep'\?\)"),
        ({"stem_pool": "maxx"}, "did you mean 'max'"),
        ({"attention": "se"}, "unknown model.attention 'se'.*valid: none, squeeze_excitation"),
        ({"antialias": "blurr"}, "did you mean 'blur'"),
        ({"attention": {"name": "none", "reduction": 0.5}}, "'none' takes no reduction"),
        ({"stage_branches": ("basic",)}, "1 branches for 2 stages"),
        ({"weight_epsilon": 0.0}, "model.weight_epsilon=0.0 must be positive"),
        ({"weight_gain": 2.0}, "these are plain: set model.weight_epsilon=1e-5"),
        ({"norm": "evo"}, "holds its own activation.*set model.arrangement=full_preactivation"),
        (
            {"branch": {"name": "bottleneck", "groups": 0}},
            "option groups=0 must be a whole number from 1",
        ),
    ],
)
def test_mistakes_are_answered_in_one_sentence(choices, message):
    with pytest.raises(UserError, match=message) as error:
        resnet(**{**SMALL, **choices})
    assert "\n" not in str(error.value)


def test_an_image_that_does_not_halve_evenly_is_refused_where_windows_drop_its_edge():
    model = resnet(**SMALL, antialias="average")
    with pytest.raises(UserError, match=r"5x5 and its branch 4x4 positions: model\.antialias"):
        jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 9, 9, 3)), train=False))


@pytest.mark.parametrize("antialias", ANTIALIASING)
def test_antialiasing_adds_no_parameters(antialias):
    def shapes(**options):
        model = resnet(**SMALL, **options)
        x = jnp.zeros((1, 8, 8, 3))
        return jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=False))

    assert shapes(antialias=antialias) == shapes()


def test_standardised_kernels_do_not_notice_their_scale_in_training_either(drawn, rng):
    model = resnet(
        **{**SMALL, "widths": (4, 8)},
        branch="bottleneck",
        norm="batch",
        weight_epsilon=1e-8,
    )
    x = rng.normal(size=(4, 8, 8, 3)).astype(np.float32)
    variables = drawn(model, x, train=False)

    @jax.jit
    def logits(params):
        inputs = {**variables, "params": params}
        # Moments of the norms before the last show what they were given.
        return model.apply(inputs, x, train=True, mutable=["batch_stats"])

    def scaled(path, leaf):
        return 7 * leaf if leaf.ndim == 4 else leaf

    once = logits(variables["params"])
    other = logits(jax.tree_util.tree_map_with_path(scaled, variables["params"]))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), once, other)
