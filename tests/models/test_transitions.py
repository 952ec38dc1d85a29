"""What gives a stage its shape, in place of its first block."""

from functools import partial

import jax
import numpy as np
import pytest

from resnet_jax.compression.folding import fold
from resnet_jax.models.building import resnet
from resnet_jax.models.scan import stack_blocks
from resnet_jax.tables import UserError


def network(**changes):
    return resnet(**{"family": "cifar", "classes": 3, "stage_depths": (2, 1), "widths": (4, 6),
                     "stem_width": 5, "first_stride": 2, "transition": "convolution_and_pool",
                     **changes})  # fmt: skip


def shapes(model, side=9):
    image = jax.ShapeDtypeStruct((1, side, side, 3), np.float32)
    init = partial(model.init, jax.random.key(0), train=False)
    return jax.eval_shape(init, image)["params"]


@pytest.mark.parametrize("arrangement", ["original", "full_preactivation", "pyramid"])
def test_blocks_keep_the_shape_and_have_no_projection(arrangement):
    params = shapes(network(arrangement=arrangement))
    assert params["stage1"]["transition_conv"]["kernel"].shape == (3, 3, 5, 4)
    assert params["stage2"]["transition_conv"]["kernel"].shape == (3, 3, 4, 6)
    kernels = {
        f"{stage}/{block}/{name}": leaf["kernel"].shape
        for stage in ("stage1", "stage2")
        for block, inside in params[stage].items()
        if block.startswith("block")
        for name, leaf in inside.items()
        if "kernel" in leaf
    }
    assert set(kernels.values()) == {(3, 3, 4, 4), (3, 3, 6, 6)} and len(kernels) == 6


def test_what_the_stem_has_activated_is_not_normalised_again():
    params = shapes(network(arrangement="full_preactivation", activate_stem=True))
    assert "transition_norm" not in params["stage1"]
    assert params["stage2"]["transition_norm"]["bias"].shape == (4,)


def test_what_a_transition_leaves_as_it_is_is_not_activated_again_by_the_blocks():
    """ConvNeXt's has nothing to do where the first stage has the stem's shape."""
    changes = {"arrangement": "full_preactivation", "activate_stem": True, "first_stride": 1,
               "widths": (5, 6), "transition": "norm_and_convolution"}  # fmt: skip
    params = shapes(network(**changes))
    assert not {"norm_shared", "transition_norm"} & params["stage1"].keys()
    # The lead of the second block is its own, and the first has what the stem's end was.
    norms = {block: sum("norm" in name for name in params["stage1"][block])
             for block in ("block1", "block2")}  # fmt: skip
    assert norms == {"block1": 1, "block2": 2}


def test_convolution_pool_norm_and_activation_in_this_order(drawn, rng):
    """With zero kernels in the blocks, whose biases are zero, each stage is its transition."""
    model = network(stage_depths=(1,), widths=(4,), kernel_init="dirac")
    x = rng.normal(size=(2, 7, 7, 3)).astype(np.float32)
    variables = drawn(model, x, train=False)
    params, statistics = variables["params"], variables["batch_stats"]
    for name in ("norm1", "norm2"):
        block = params["stage1"]["block1"][name]
        block["scale"], block["bias"] = 0 * block["scale"], 0 * block["bias"]

    convolve = partial(jax.lax.conv_general_dilated, window_strides=(1, 1), padding="SAME",
                       dimension_numbers=("NHWC", "HWIO", "NHWC"))  # fmt: skip

    def normalised(y, params, statistics):
        y = (y - statistics["mean"]) / np.sqrt(statistics["var"] + 1e-5)
        return np.maximum(params["scale"] * y + params["bias"], 0)

    with jax.numpy_rank_promotion("allow"):
        y = np.asarray(convolve(x, params["stem_conv"]["kernel"]))
        y = normalised(y, params["stem_norm"], statistics["stem_norm"])
        y = np.asarray(convolve(y, params["stage1"]["transition_conv"]["kernel"]))
        # Windows of 2x2; the seventh row and column have none.
        y = y[:, :6, :6].reshape(2, 3, 2, 3, 2, 4).max(axis=(2, 4))
        y = normalised(
            y, params["stage1"]["transition_norm"], statistics["stage1"]["transition_norm"]
        )
    expected = y.mean(axis=(1, 2)) @ params["head"]["kernel"] + params["head"]["bias"]
    found = model.apply(variables, x, train=False)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("changes", [{"scan_blocks": True}, {"remat": "block"}, {"remat": "stage"}])
def test_other_ways_to_run_the_blocks_compute_the_same(drawn, rng, changes):
    options = {"stage_depths": (3,), "widths": (4,), "activation": "gelu"}
    plain, other = network(**options), network(**options, **changes)
    x = rng.normal(size=(2, 8, 8, 3)).astype(np.float32)
    variables = drawn(plain, x, train=False)
    params = variables
    if other.scan_blocks:
        params = stack_blocks(variables)

    def value_and_gradient(model, variables):
        def loss(params):
            return (model.apply({**variables, "params": params}, x, train=False) ** 2).sum()

        value, gradient = jax.jit(jax.value_and_grad(loss))(variables["params"])
        return value, gradient["stage1"]["transition_conv"]["kernel"]

    for one, two in zip(
        value_and_gradient(plain, variables), value_and_gradient(other, params), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_a_state_that_blocks_hand_on_is_refused():
    with pytest.raises(UserError, match=r"set model\.transition=block"):
        network(shortcut="hyper")


def patches(**changes):
    return network(**{"transition": "norm_and_convolution", "arrangement": "convnext",
                      "norm": "layer", "branch": "convnext", "widths": (5, 6),
                      **changes})  # fmt: skip


def test_a_norm_and_a_convolution_stand_where_the_shape_changes():
    params = shapes(patches(first_stride=1, conv_bias=True))
    assert not {"transition_norm", "transition_conv"} & params["stage1"].keys()
    assert params["stage2"]["transition_norm"]["scale"].shape == (5,)
    layer = params["stage2"]["transition_conv"]
    assert layer["kernel"].shape == (2, 2, 5, 6) and layer["bias"].shape == (6,)
    block = params["stage2"]["block1"]
    assert block["conv1"]["kernel"].shape == (7, 7, 1, 6) and "projection" not in block
    # Where the width alone changes, the convolution sees one position.
    wider = shapes(patches(first_stride=1, stem_width=3))["stage1"]["transition_conv"]
    assert wider["kernel"].shape == (1, 1, 3, 5) and "bias" not in wider


def test_windows_lie_side_by_side(rng):
    model = patches(first_stride=1)
    x = rng.normal(size=(1, 5, 6, 3)).astype(np.float32)
    features = model.apply(
        model.init(jax.random.key(0), x, train=False), x, train=False, features=True
    )
    assert features["stage1"].shape == (1, 5, 6, 5) and features["stage2"].shape == (1, 2, 3, 6)


def test_a_branch_that_keeps_the_channels_is_refused_where_they_change():
    with pytest.raises(UserError, match=r"3 channels .* the 5 groups .*transition=norm"):
        shapes(patches(transition="block", stem_width=3))


def test_a_norm_before_its_convolution_is_not_folded():
    model = patches(norm="batch")
    with pytest.raises(UserError, match="where it follows a convolution"):
        fold(model, shapes(model))


def around(**changes):
    return network(
        **{
            "transition": {"name": "cross_stage", "growth": 2, "groups": 5},
            "branch": "partial_bottleneck",
            "shortcut": "A",
            **changes,
        }
    )


def test_a_half_of_the_channels_goes_around_the_blocks():
    """Blocks of 4 features see 4 of 8; the strided convolution keeps the 5 channels of the stem."""
    transition = {"name": "cross_stage", "growth": 2, "groups": 5}
    params = shapes(around(transition=transition, stage_depths=(2,), widths=(4,)))
    kernels = {
        name.removeprefix("transition_conv_"): layer["kernel"].shape
        for name, layer in params["stage1"].items()
        if "kernel" in layer
    }
    assert kernels == {
        "down": (3, 3, 1, 5), "expand": (1, 1, 5, 8), "inside": (1, 1, 4, 4),
        "joined": (1, 1, 8, 8),
    }  # fmt: skip
    assert params["stage1"]["block1"]["conv2"]["kernel"].shape == (3, 3, 2, 2)
    assert "projection" not in params["stage1"]["block1"]


def test_groups_that_do_not_divide_what_a_stage_is_given_are_refused():
    with pytest.raises(UserError, match="8 channels can't be split into the 5 groups"):
        shapes(around())


@pytest.mark.parametrize("arrangement", ["original", "full_preactivation"])
def test_what_goes_around_does_not_depend_on_the_blocks(drawn, rng, arrangement):
    """Without what the blocks hand on, a stage is a function of the half that goes around them."""
    model = around(
        transition={"name": "cross_stage"}, stage_depths=(1,), widths=(4,), arrangement=arrangement
    )
    x = rng.normal(size=(2, 8, 8, 3)).astype(np.float32)
    variables = drawn(model, x, train=False)
    stage = variables["params"]["stage1"]
    stage["transition_conv_joined"]["kernel"][:, :, 4:] = 0
    before = model.apply(variables, x, train=False)
    for layer in stage["block1"].values():
        for name, leaf in layer.items():
            layer[name] = leaf + 1
    np.testing.assert_array_equal(model.apply(variables, x, train=False), before)
    stage["transition_conv_expand"]["kernel"][..., :4] += 1
    assert np.abs(model.apply(variables, x, train=False) - before).max() > 1e-3
