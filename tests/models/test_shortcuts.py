"""Each shortcut alone: what it computes, what it learns, and how mistakes are answered."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.models.building import resnet
from resnet_jax.models.connections.record import Shortcut
from resnet_jax.models.layers import Layers
from resnet_jax.models.shortcuts import SHORTCUTS
from resnet_jax.tables import UserError


class Alone(nn.Module):
    shortcut: Shortcut
    features: int
    stride: int
    train: bool
    projection_norm: bool

    @nn.compact
    def __call__(self, x):
        layers = Layers(projection_norm=self.projection_norm, train=self.train)
        return self.shortcut.function(x, self.features, self.stride, layers)


def alone(name, features, stride=1, *, train=False, projection_norm=False, **options):
    shortcut = SHORTCUTS.choose({"name": name, **options})
    return Alone(shortcut, features, stride, train, projection_norm)


@pytest.fixture
def x(rng):
    return rng.normal(size=(2, 5, 4, 3)).astype(np.float32)


def project(x, params, stride=1):
    return x[:, ::stride, ::stride] @ params["kernel"][0, 0]


@pytest.mark.parametrize("features", [6, 8])
@pytest.mark.parametrize(("layout", "share_before"), [("after", 0), ("both_sides", 1 / 2)])
def test_a_subsamples_and_pads_with_zero_channels(x, layout, share_before, features):
    y, scale = alone("A", features, stride=2, layout=layout).apply({}, x)
    before = int((features - 3) * share_before)
    expected = np.zeros((2, 3, 2, features), np.float32)
    expected[..., before : before + 3] = x[:, ::2, ::2]
    np.testing.assert_array_equal(y, expected)
    assert scale == 1


@pytest.mark.parametrize("layout", ["after", "both_sides"])
def test_a_is_the_identity_where_shapes_are_the_same(x, layout):
    np.testing.assert_array_equal(alone("A", 3, layout=layout).apply({}, x)[0], x)


@pytest.mark.parametrize("name", ["A", "constant_scaling", "dropout"])
def test_zero_padding_can_not_shrink(x, name):
    with pytest.raises(UserError, match=r"from 3 to 2 features.*projects \(B, C, D\)"):
        alone(name, 2).apply({}, x)


@pytest.mark.parametrize(
    ("name", "features", "stride", "projects"),
    [
        ("B", 3, 1, False),
        ("B", 3, 2, True),
        ("B", 5, 1, True),
        ("C", 3, 1, True),
        ("C", 5, 2, True),
        ("D", 3, 1, False),
        ("D", 5, 1, True),
        ("convolution_1x1", 3, 1, True),
        ("convolution_1x1", 5, 2, True),
    ],
)
def test_who_projects_where(drawn, x, name, features, stride, projects):
    shortcut = alone(name, features, stride)
    variables = drawn(shortcut, x)
    y, scale = shortcut.apply(variables, x)
    expected = x
    if projects:
        expected = project(x, variables["params"]["projection"], stride)
    assert scale == 1
    assert bool(variables) == projects
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["B", "C", "D"])
def test_a_projection_ends_in_a_norm_where_the_branch_does(drawn, x, name):
    shortcut = alone(name, 5, projection_norm=True)
    variables = drawn(shortcut, x)
    params = variables["params"]
    stats, affine = variables["batch_stats"]["projection_norm"], params["projection_norm"]
    y = (project(x, params["projection"]) - stats["mean"]) / np.sqrt(stats["var"] + 1e-5)
    expected = y * affine["scale"] + affine["bias"]
    np.testing.assert_allclose(shortcut.apply(variables, x)[0], expected, rtol=1e-4, atol=1e-5)


def test_d_averages_what_a_window_holds_and_counts_no_padding(drawn):
    image = np.arange(15, dtype=np.float32).reshape(1, 3, 5, 1)
    pooled = [
        [(0 + 1 + 5 + 6) / 4, (2 + 3 + 7 + 8) / 4, (4 + 9) / 2],
        [(10 + 11) / 2, (12 + 13) / 2, 14],
    ]
    shortcut = alone("D", 2, stride=2)
    variables = drawn(shortcut, image)
    y, _ = shortcut.apply(variables, image)
    expected = np.array(pooled)[None, :, :, None] * variables["params"]["projection"]["kernel"][0]
    np.testing.assert_allclose(y, expected, rtol=1e-6)


def test_none_adds_nothing(x):
    y, scale = alone("none", 6, stride=2).apply({}, x)
    assert (np.max(y), scale) == (0, 1)


def test_constant_scaling_scales_both_paths(x):
    scaling = alone("constant_scaling", 3, shortcut_scale=0.25, branch_scale=0.75)
    y, scale = scaling.apply({}, x)
    assert scale == 0.75
    np.testing.assert_allclose(y, 0.25 * x)


@pytest.mark.parametrize("name", ["exclusive_gating", "shortcut_only_gating"])
def test_a_gate_is_a_sigmoid_of_a_1x1_convolution(drawn, x, name):
    gating = alone(name, 5, stride=2)
    variables = drawn(gating, x)
    y, scale = gating.apply(variables, x)
    gate_params = variables["params"]["gate"]
    gate = 1 / (1 + np.exp(-project(x, gate_params, stride=2) - gate_params["bias"]))
    expected = (1 - gate) * np.pad(x[:, ::2, ::2], [(0, 0)] * 3 + [(0, 2)])
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    if name == "exclusive_gating":
        np.testing.assert_allclose(scale, gate, rtol=1e-5)
    else:
        assert scale == 1


@pytest.mark.parametrize("name", ["exclusive_gating", "shortcut_only_gating"])
@pytest.mark.parametrize(("gate_bias", "gate"), [(-40.0, 0), (40.0, 1)])
def test_a_gate_starts_at_its_bias(x, name, gate_bias, gate):
    gating = alone(name, 3, gate_bias=gate_bias)
    y, scale = gating.apply(gating.init(jax.random.key(0), x), x)
    np.testing.assert_allclose(y, (1 - gate) * x, atol=1e-6)
    expected = gate if name == "exclusive_gating" else 1
    np.testing.assert_allclose(scale, np.full_like(scale, expected), atol=1e-6)


def test_dropout_acts_in_training_alone(rng):
    x = rng.uniform(1, 2, size=(4, 16, 16, 8)).astype(np.float32)
    rate = 0.2
    options = {"shortcut_dropout": rate}
    np.testing.assert_array_equal(alone("dropout", 8, **options).apply({}, x)[0], x)

    rngs = {"dropout": jax.random.key(0)}
    y, scale = alone("dropout", 8, train=True, **options).apply({}, x, rngs=rngs)
    kept = np.asarray(y) > 0
    assert scale == 1
    assert abs(kept.mean() - (1 - rate)) < 0.02
    np.testing.assert_allclose(y[kept], x[kept] / (1 - rate), rtol=1e-6)


@pytest.mark.parametrize(
    ("shortcut", "option", "takers"),
    [
        ("B", {"layout": "both_sides"}, "A"),
        ("A", {"gate_bias": -6.0}, "exclusive_gating, shortcut_only_gating, scalar_gate, .*"),
        ("none", {"shortcut_dropout": 0.5}, "dropout"),
        ("dropout", {"branch_scale": 0.5}, "constant_scaling, normaliser_free"),
    ],
)
def test_an_option_that_would_be_ignored(shortcut, option, takers):
    (name,) = option
    with pytest.raises(UserError, match=f"'{shortcut}' takes no {name}: .*: {takers}$"):
        resnet(family="cifar", classes=2, depth=8, shortcut={"name": shortcut, **option})


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [("exclusive_gate", "exclusive_gating"), ("droput", "dropout"), ("1x1", None)],
)
def test_an_unknown_shortcut(typed, nearest):
    with pytest.raises(UserError) as error:
        resnet(family="cifar", classes=2, depth=8, shortcut=typed)
    message = str(error.value)
    assert message.startswith(f"unknown shortcut '{typed}'")
    assert message.endswith(f"valid: {', '.join(SHORTCUTS)}")
    assert nearest is None or f"did you mean '{nearest}'?" in message


def test_an_unknown_layout(x):
    with pytest.raises(UserError, match="layout='before' must be one of after, both_sides"):
        alone("A", 6, layout="before").apply({}, jnp.asarray(x))
