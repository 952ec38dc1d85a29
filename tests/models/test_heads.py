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
