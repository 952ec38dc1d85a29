"""Heads against arithmetic by hand."""

import jax
import numpy as np
import pytest

from resnet_jax.models.building import resnet


@pytest.mark.parametrize(("name", "pooled"), [("mean", np.mean), ("max", np.max)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_head_by_hand(drawn, rng, name, pooled, bias):
    """The network up to the head is one convolution and its ReLU here."""
    model = resnet(family="cifar", classes=3, stage_depths=(1,), widths=(4,), stem_width=4,
                   norm="none", head={"name": name, "bias": bias, "logit_scale": 0.25})  # fmt: skip
    model = model.clone(stage_depths=(), stage_widths=())
    x = rng.normal(size=(2, 5, 5, 3)).astype(np.float32)
    variables = drawn(model, x, train=False)
    params = variables["params"]
    assert ("bias" in params["head"]) == bias
    stem = jax.lax.conv_general_dilated(
        x, params["stem_conv"]["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    features = np.maximum(stem + params["stem_conv"]["bias"][None, None, None], 0)
    expected = pooled(features, axis=(1, 2)) @ params["head"]["kernel"]
    expected = 0.25 * (expected + params["head"].get("bias", 0))
    found = model.apply(variables, x, train=False)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_normalised_head_by_hand(drawn, rng):
    """What is pooled is normalised over its channels, before the linear map."""
    model = resnet(family="cifar", classes=3, stage_depths=(1,), widths=(4,), stem_width=4,
                   arrangement="convnext", norm={"name": "layer", "epsilon": 0.01},
                   head="normalised_mean")  # fmt: skip
    model = model.clone(stage_depths=(), stage_widths=())
    x = rng.normal(size=(2, 5, 5, 3)).astype(np.float32)
    variables = drawn(model, x, train=False)
    params = variables["params"]

    def normalised(x, scale, bias):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 0.01) * scale + bias

    y = jax.lax.conv_general_dilated(
        x, params["stem_conv"]["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    y = normalised(np.asarray(y), **params["stem_norm"]).mean((1, 2))
    y = normalised(y, **params["head_pooled_norm"])
    expected = y @ params["head"]["kernel"] + params["head"]["bias"]
    np.testing.assert_allclose(
        model.apply(variables, x, train=False), expected, rtol=1e-4, atol=1e-5
    )
