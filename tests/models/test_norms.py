import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.models.activation import ACTIVATIONS
from resnet_jax.models.arrangements import ACTIVATION, NORM
from resnet_jax.models.batch_norm import BatchNorm, masked_twice, rectified, rectified_plainly
from resnet_jax.models.building import resnet
from resnet_jax.models.layers import Layers
from resnet_jax.models.norms import affine, group_norm
from resnet_jax.models.steps import run
from resnet_jax.tables import UserError

MOMENTUM, EPSILON = 0.8, 1e-3


def batch_norm(train, **options):
    return BatchNorm(train=train, momentum=MOMENTUM, epsilon=EPSILON, **options)


def images(rng, batch=6):
    """Each channel with a mean and a spread of its own, each example too."""
    x = rng.normal(size=(batch, 3, 2, 4)) * [1, 2, 0.5, 3] + [0, 1, -2, 5]
    return (x + np.arange(batch).reshape(-1, 1, 1, 1)).astype(np.float32)


def normalised(x, mean, var, params, epsilon=EPSILON):
    return (x - mean) / np.sqrt(var + epsilon) * params["scale"] + params["bias"]


@pytest.mark.parametrize(
    ("group_size", "groups"),
    [
        (None, [slice(0, 6)]),
        (2, [slice(0, 2), slice(2, 4), slice(4, 6)]),
        (3, [slice(0, 3), slice(3, 6)]),
        (6, [slice(0, 6)]),
        (8, [slice(0, 6)]),
    ],
)
def test_training_normalises_each_group_of_consecutive_examples(drawn, rng, group_size, groups):
    x = images(rng)
    norm = batch_norm(True, group_size=group_size)
    variables = drawn(norm, x)
    y, updated = norm.apply(variables, x, mutable=["batch_stats"])

    means, variances = [], []
    for group in groups:
        means.append(x[group].mean((0, 1, 2)))
        variances.append(x[group].var((0, 1, 2)))
        expected = normalised(x[group], means[-1], variances[-1], variables["params"])
        np.testing.assert_allclose(y[group], expected, rtol=1e-4, atol=1e-4)

    old, new = variables["batch_stats"], updated["batch_stats"]
    for name, batch in (("mean", means), ("var", variances)):
        expected = MOMENTUM * old[name] + (1 - MOMENTUM) * np.mean(batch, axis=0)
        np.testing.assert_allclose(new[name], expected, rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("train", [True, False])
def test_an_affine_norm_has_no_statistics(drawn, rng, train):
    x = images(rng)
    norm = affine()(train=train)
    variables = drawn(norm, x)
    params = variables["params"]
    assert variables.keys() == {"params"} and params.keys() == {"scale", "bias"}
    y = norm.apply(variables, x)
    np.testing.assert_allclose(y, x * params["scale"] + params["bias"], rtol=1e-5, atol=1e-5)


def test_evaluation_uses_the_running_statistics(drawn, rng):
    x = images(rng)
    norm = batch_norm(False, group_size=4)
    variables = drawn(norm, x)
    y = norm.apply(variables, x)
    stats = variables["batch_stats"]
    expected = normalised(x, stats["mean"], stats["var"], variables["params"])
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_a_new_norm_has_moved_no_statistic(rng):
    stats = batch_norm(True).init(jax.random.key(0), images(rng))["batch_stats"]
    np.testing.assert_array_equal(stats["mean"], np.zeros(4))
    np.testing.assert_array_equal(stats["var"], np.ones(4))


def test_a_group_size_that_does_not_divide_the_batch(drawn, rng):
    with pytest.raises(UserError, match=r"batch of 6 .* groups of 4: .* norm\.group_size"):
        drawn(batch_norm(True, group_size=4), images(rng))


def test_statistics_of_bfloat16_are_float32(drawn, rng):
    x = jnp.asarray(images(rng), jnp.bfloat16)
    norm = batch_norm(True, dtype=jnp.bfloat16)
    variables = drawn(norm, x)
    y, updated = norm.apply(variables, x, mutable=["batch_stats"])

    exact = np.asarray(x, np.float32)
    mean, var = exact.mean((0, 1, 2)), exact.var((0, 1, 2))
    old, new = variables["batch_stats"], updated["batch_stats"]
    for name, batch in (("mean", mean), ("var", var)):
        assert new[name].dtype == jnp.float32
        expected = MOMENTUM * old[name] + (1 - MOMENTUM) * batch
        np.testing.assert_allclose(new[name], expected, rtol=1e-5, err_msg=name)

    assert y.dtype == jnp.bfloat16
    expected = normalised(exact, mean, var, variables["params"])
    np.testing.assert_allclose(np.asarray(y, np.float32), expected, rtol=2**-8, atol=1e-3)


def test_constant_images_stay_finite(drawn):
    """Their variance is zero, and can come out below it."""
    x = np.broadcast_to(np.linspace(1_000, 2_000, 64, dtype=np.float32), (4, 3, 3, 64))
    norm = batch_norm(True)
    variables = drawn(norm, x)
    y = norm.apply(variables, x, mutable=["batch_stats"])[0]
    np.testing.assert_allclose(y, np.broadcast_to(variables["params"]["bias"], y.shape), atol=0.1)


class GroupNorm(nn.Module):
    channel_groups: int
    train: bool
    group_width: int | None = None

    @nn.compact
    def __call__(self, x):
        make = group_norm(self.channel_groups, self.group_width, epsilon=EPSILON)
        return make(train=self.train, name="norm", dtype=x.dtype, param_dtype=x.dtype)(x)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(("channel_groups", "used"), [(1, 1), (2, 2), (32, 4)])
def test_group_norm_sees_one_example(drawn, rng, channel_groups, used, train):
    x = images(rng)
    norm = GroupNorm(channel_groups, train)
    variables = drawn(norm, x)
    assert set(variables) == {"params"}

    grouped = x.reshape(*x.shape[:3], used, -1)
    mean, var = (f((1, 2, 4), keepdims=True) for f in (grouped.mean, grouped.var))
    expected = ((grouped - mean) / np.sqrt(var + EPSILON)).reshape(x.shape)
    expected = normalised(expected, 0, 1, variables["params"]["norm"], epsilon=0)
    np.testing.assert_allclose(norm.apply(variables, x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("width", "groups"), [(1, 4), (2, 2), (4, 1), (16, 1)])
def test_a_width_of_groups_says_how_many_there_are(drawn, rng, width, groups):
    x = images(rng)
    counted, measured = GroupNorm(groups, train=True), GroupNorm(32, True, group_width=width)
    variables = drawn(counted, x)
    np.testing.assert_array_equal(measured.apply(variables, x), counted.apply(variables, x))


def test_groups_that_do_not_divide_the_channels(drawn, rng):
    with pytest.raises(UserError, match=r"4 channels .* groups of 3: .* norm\.group_width"):
        drawn(GroupNorm(32, True, group_width=3), images(rng))
    with pytest.raises(UserError, match=r"4 channels .* 3 groups: .* norm\.channel_groups"):
        drawn(GroupNorm(3, train=True), images(rng))


@pytest.mark.parametrize("arrangement", ["original", "bn_after_addition", "full_preactivation"])
def test_without_norm_every_convolution_has_a_bias(arrangement):
    model = resnet(
        family="cifar",
        classes=2,
        stage_depths=(2, 1, 1),
        arrangement=arrangement,
        shortcut="C",
        norm="none",
    )
    x = jnp.ones((1, 8, 8, 3))
    variables = jax.eval_shape(model.init, jax.random.key(0), x, train=True)
    assert set(variables) == {"params"}
    paths = {
        tuple(key.key for key in path)
        for path, _ in jax.tree_util.tree_leaves_with_path(variables["params"])
    }
    assert not any("norm" in name for path in paths for name in path)
    layers = {path[:-1] for path in paths}
    assert len(layers) == 1 + 4 * 3 + 1
    for layer in layers:
        assert {(*layer, "kernel"), (*layer, "bias")} <= paths


def program_of_the_gradient(layer, variables, x, platform):
    def loss(params):
        y, _ = layer.apply({**variables, "params": params}, x, mutable=["batch_stats"])
        return (y**2).sum()

    gradient = jax.jit(jax.grad(loss)).trace(variables["params"])
    return gradient.lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize(
    ("platform", "group_size", "barriers"),
    [("cuda", 2, 2), ("cuda", None, 0), ("cpu", 2, 0), ("tpu", 2, 0)],
)
def test_cuda_alone_keeps_the_sums_of_groups(drawn, rng, platform, group_size, barriers):
    """One barrier for the scale's gradient and one for the bias's, where there are groups."""
    x = images(rng)
    layer = batch_norm(True, group_size=group_size)
    program = program_of_the_gradient(layer, drawn(layer, x), x, platform)
    assert program.count("optimization_barrier") == barriers


def test_jvp_of_the_gradient(float64, drawn, rng):
    """As differences have it."""
    x = images(rng).astype(np.float64)
    layer = batch_norm(True, group_size=3, param_dtype=jnp.float64, dtype=jnp.float64)
    variables = drawn(layer, x)

    def gradient(scale):
        def loss(scale):
            params = {**variables["params"], "scale": scale}
            y, _ = layer.apply({**variables, "params": params}, x, mutable=["batch_stats"])
            return (y**3).sum()

        return jax.grad(loss)(scale)

    scale, direction = variables["params"]["scale"], jnp.array([1.0, -2.0, 0.5, 1.0])
    _, found = jax.jvp(gradient, (scale,), (direction,))
    small = 1e-5
    expected = (gradient(scale + small * direction) - gradient(scale - small * direction)) / 2
    np.testing.assert_allclose(found, expected / small, rtol=1e-6)


def test_a_norm_without_scale_equals_one_whose_scale_is_1(drawn, rng):
    x = images(rng)
    plain, bare = batch_norm(True), batch_norm(True, scaled=False)
    variables = drawn(plain, x)
    variables["params"]["scale"] = np.ones(4, np.float32)
    without = {**variables, "params": {"bias": variables["params"]["bias"]}}
    assert drawn(bare, x)["params"].keys() == {"bias"}
    for one, other in zip(
        jax.tree.leaves(plain.apply(variables, x, mutable=["batch_stats"])),
        jax.tree.leaves(bare.apply(without, x, mutable=["batch_stats"])),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_a_branch_can_not_start_at_zero_by_a_scale_that_is_not_there():
    model = resnet(family="cifar", classes=3, stage_depths=(1,), widths=(4,), stem_width=4,
                   zero_init_branch=True, norm={"name": "batch", "scale": False})  # fmt: skip
    with pytest.raises(UserError, match=r"norm\.scale=False"):
        jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 4, 4, 3)), train=False))


@pytest.fixture
def arrays(rng):
    """x, multiplier and offset; each of them falls below zero somewhere."""
    x = rng.normal(size=(2, 3, 4, 5, 6))
    return x, *rng.normal(size=(2, 2, 1, 1, 1, 6))


def test_masking_twice_is_masking_once(float64, rng, arrays):
    gradient = rng.normal(size=arrays[0].shape)
    found, expected = (
        jax.vjp(lambda *given, f=f: f(jnp.float64, *given), *arrays)
        for f in (masked_twice, rectified_plainly)
    )
    np.testing.assert_array_equal(found[0], expected[0])
    for own, theirs in zip(found[1](gradient), expected[1](gradient), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-12)


def test_jvp_of_the_gradient_of_masking_twice(float64, rng, arrays):
    def gradient(f):
        return jax.grad(lambda x: (f(jnp.float64, x, *arrays[1:]) ** 3).sum())

    along = (rng.normal(size=arrays[0].shape),)
    found, expected = (
        jax.jvp(gradient(f), arrays[:1], along)[1] for f in (masked_twice, rectified_plainly)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(("platform", "barriers"), [("cuda", 1), ("cpu", 0), ("tpu", 0)])
def test_cuda_alone_masks_twice(arrays, platform, barriers):
    gradient = jax.jit(jax.grad(lambda x: rectified(x, *arrays[1:], jnp.float32).sum()))
    program = gradient.trace(arrays[0]).lower(lowering_platforms=(platform,)).as_text()
    assert program.count("optimization_barrier") == barriers


class NormAndActivation(nn.Module):
    layers: Layers

    @nn.compact
    def __call__(self, x):
        return run((NORM, ACTIVATION), x, self.layers, norms=["norm"])


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_an_activation_behind_a_norm_is_computed_once(drawn, rng, activation, train):
    """Whether the norm computes it or not."""
    x, row = images(rng), ACTIVATIONS[activation]
    module = NormAndActivation(Layers(activation=row, train=train))
    variables = drawn(module, x)
    found, _ = module.apply(variables, x, mutable=["batch_stats"])
    own = {collection: tree["norm"] for collection, tree in variables.items()}
    alone, _ = BatchNorm(train=train).apply(own, x, mutable=["batch_stats"])
    np.testing.assert_allclose(found, row.function(alone), rtol=1e-6)
