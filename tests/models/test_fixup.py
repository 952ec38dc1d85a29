"""Residual networks without normalisation that train: Fixup."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from jax import lax

from resnet_jax.models.building import resnet
from resnet_jax.tables import UserError


def network(**changes):
    made = {"family": "cifar", "classes": 3, "stage_depths": (3,), "widths": (4,), "stem_width": 4,
            "shortcut": "A", "norm": "fixup"}  # fmt: skip
    return resnet(**{**made, **changes})


@pytest.fixture
def image(rng):
    return rng.normal(size=(2, 5, 5, 3)).astype(np.float32)


def initial(model, image):
    return flatten_dict(model.init(jax.random.key(0), image, train=False)["params"], sep="/")


def test_network_is_the_published_formula(drawn, image):
    """Zhang et al., Figure 1, right: biases around, and a factor after, each convolution."""
    model = network(stage_depths=(2,))
    variables = drawn(model, image, train=False)
    params = flatten_dict(variables["params"], sep="/")

    def conv(x, name):
        layout = ("NHWC", "HWIO", "NHWC")
        kernel = params[f"{name}/kernel"]
        return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout)

    def bias(name, number):
        return params[f"{name}/Bias_{number}/bias" if name else f"Bias_{number}/bias"]

    x = jax.nn.relu(conv(image, "stem_conv") + bias("", 0))
    for name in ("stage1/block1", "stage1/block2"):
        # The bias before a stage's first convolution is shared with its shortcut.
        opening = name.endswith("1")
        before = x + (bias("stage1", 0) if opening else bias(name, 0))
        number = 0 if opening else 1
        y = jax.nn.relu(conv(before, f"{name}/conv1") + bias(name, number))
        y = conv(y + bias(name, number + 1), f"{name}/conv2")
        y = params[f"{name}/branch_gain/gain"] * y
        x = jax.nn.relu((before if opening else x) + y + bias(name, number + 2))
    pooled = (x + bias("", 1)).mean((1, 2))
    expected = pooled @ params["head/kernel"] + params["head/bias"][None]
    np.testing.assert_allclose(
        model.apply(variables, image, train=False), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(("branch", "power"), [("basic", -1 / 2), ("bottleneck", -1 / 4)])
def test_kernels_start_smaller_in_more_blocks(branch, power, image):
    plain = initial(network(branch=branch, norm="none"), image)
    fixup = initial(network(branch=branch), image)
    for name, value in fixup.items():
        if name.endswith(f"conv{2 if branch == 'basic' else 3}/kernel") or name == "head/kernel":
            assert not np.any(value), name
        elif "block" in name and "/conv" in name:
            np.testing.assert_allclose(value, 3**power * plain[name], rtol=1e-6, err_msg=name)
        elif name.endswith("kernel"):
            np.testing.assert_array_equal(value, plain[name], err_msg=name)
        else:
            assert value.shape in ((), (3,)) and np.all(value == name.endswith("gain")), name


def test_every_parameter_but_those_before_a_zero_learns_at_once(drawn, image):
    """From the start the head learns; once it is not zero, the last kernels do."""
    model = network()
    variables = model.init(jax.random.key(0), image, train=False)

    def loss(params):
        return jnp.square(model.apply({"params": params}, image, train=False) - 1).sum()

    assert np.abs(jax.grad(loss)(variables["params"])["head"]["kernel"]).max() > 1e-3
    variables["params"]["head"]["kernel"] += 0.1
    gradients = flatten_dict(jax.grad(loss)(variables["params"]), sep="/")
    for name in ("block1", "block2", "block3"):
        assert np.abs(gradients[f"stage1/{name}/conv2/kernel"]).max() > 1e-4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arrangement": "relu_before_addition"}, "fixup would never train.*norm.name=none"),
        ({"branch_gain": 0.0}, "leave out model.branch_gain"),
    ],
)
def test_what_fixup_does_not_go_with(changes, message):
    with pytest.raises(UserError, match=message):
        network(**changes)
