"""Folding, pruning and quantisation against what they must leave the same."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis import tiny

from resnet_jax.compression import pruning
from resnet_jax.compression.folding import fold
from resnet_jax.tables import UserError


@pytest.fixture(scope="module")
def network():
    model = tiny.network(shortcut="B", stage_depths=(1, 1))
    return model, tiny.variables_of(model)


def logits(model, variables):
    return jax.jit(partial(model.apply, train=False))(variables, tiny.examples().images)


def test_a_folded_network_computes_the_same_without_norms(network):
    model, variables = network
    lean, params = fold(model, variables)
    np.testing.assert_allclose(logits(lean, params), logits(model, variables), rtol=2e-4, atol=1e-5)
    assert set(params) == {"params"} and "norm" not in str(jax.tree.structure(params))
    before, after = (sum(x.size for x in jax.tree.leaves(t["params"])) for t in (variables, params))
    # A norm's scale and bias become one bias; the head keeps its own. 4 + 4 + 4, 8 + 8 + 8.
    assert before - after == 3 * 4 + 3 * 8


def test_a_folded_kernel_by_hand():
    """W s / sqrt(v + e) and b - m s / sqrt(v + e), with an epsilon that counts."""
    model = tiny.network(norm={"name": "batch", "epsilon": 0.5}, stage_depths=(1, 1))
    variables = tiny.variables_of(model)
    params, statistics = variables["params"], variables["batch_stats"]
    _, found = fold(model, variables)
    factor = params["stem_norm"]["scale"] / np.sqrt(statistics["stem_norm"]["var"] + 0.5)
    stem = found["params"]["stem_conv"]
    np.testing.assert_allclose(
        stem["kernel"], params["stem_conv"]["kernel"] * factor[None, None, None], rtol=1e-5
    )
    bias = params["stem_norm"]["bias"] - statistics["stem_norm"]["mean"] * factor
    np.testing.assert_allclose(stem["bias"], bias, rtol=1e-5)


@pytest.mark.parametrize(
    "changes", [{"arrangement": "full_preactivation"}, {"arrangement": "bn_after_addition"}]
)
def test_a_norm_before_its_convolution_is_not_folded(changes):
    model = tiny.network(**changes)
    with pytest.raises(UserError, match="where it follows a convolution"):
        fold(model, {"params": {}, "batch_stats": {}})
    with pytest.raises(UserError, match="only batch norms"):
        fold(tiny.network(norm="none"), {"params": {}})


FAST = {"stem": "whitening", "stem_width": 24, "transition": "convolution_and_pool",
        "activation": "gelu", "head": {"name": "max", "bias": False, "logit_scale": 1 / 9},
        "stage_depths": (1, 1)}  # fmt: skip


def test_a_norm_behind_a_pool_is_folded_where_it_has_no_scale():
    model = tiny.network(**FAST, norm={"name": "batch", "scale": False})
    variables = tiny.variables_of(model)
    lean, params = fold(model, variables)
    np.testing.assert_allclose(logits(lean, params), logits(model, variables), rtol=2e-4, atol=1e-5)
    assert "norm" not in str(jax.tree.structure(params))


def test_a_norm_behind_a_pool_whose_scale_may_be_negative_is_not_folded():
    with pytest.raises(UserError, match=r"a pool stands between.*norm\.scale=False"):
        fold(tiny.network(**FAST), {"params": {}, "batch_stats": {}})


@pytest.mark.parametrize("norm", ["group", "evo"])
def test_channels_are_not_taken_out_of_other_norms(norm):
    model = tiny.network(norm=norm, arrangement="full_preactivation")
    with pytest.raises(UserError, match=r"has another norm\.name"):
        pruning.without_channels(model, {}, 0.5)


def test_magnitude_keeps_the_largest_of_all_kernels():
    params = {"a": {"kernel": jnp.array([[1.0, -8.0], [3.0, 0.5]]), "bias": jnp.array([0.1])},
              "b": {"kernel": jnp.array([[2.0, -4.0, 0.25, 6.0]])}}  # fmt: skip
    mask = pruning.magnitude_mask(params, 3 / 8)
    assert mask["a"]["kernel"].tolist() == [[False, True], [False, False]]
    assert mask["b"]["kernel"].tolist() == [[False, True, False, True]]
    assert mask["a"]["bias"].all()
    assert pruning.masked(params, mask)["a"]["kernel"].tolist() == [[0, -8], [0, 0]]


@pytest.mark.parametrize("arrangement", ["original", "full_preactivation"])
def test_channels_that_say_nothing_can_be_taken_out(arrangement):
    """Half of the inner channels are zero behind their norm: without them the logits stay."""
    model = tiny.network(stage_depths=(1, 1), arrangement=arrangement)
    variables = tiny.variables_of(model)
    seen_by = "norm2" if arrangement == "full_preactivation" else "norm1"
    params = jax.tree.map(lambda leaf: leaf, variables["params"])
    for stage, width in (("stage1", 4), ("stage2", 8)):
        dead = np.arange(width) % 2 == 1
        norm = params[stage]["block1"][seen_by]
        params[stage]["block1"][seen_by] = {
            key: jnp.where(dead, 0.0, leaf) for key, leaf in norm.items()
        }
    dull = {**variables, "params": params}
    thin, rest = pruning.without_channels(model, dull, 0.5)
    assert rest["params"]["stage2"]["block1"]["conv1"]["kernel"].shape[-1] == 4
    np.testing.assert_allclose(logits(thin, rest), logits(model, dull), rtol=1e-4, atol=1e-5)


def test_channels_count_as_their_norm_scales_them():
    """Four channels with equal kernels: those that their norm makes smallest go."""
    model = tiny.network(stage_depths=(1,), widths=(4,))
    variables = jax.tree.map(jnp.ones_like, tiny.variables_of(model))
    variables["params"]["stage1"]["block1"]["norm1"]["scale"] = jnp.array([1.0, -2.0, 0.1, 1.0])
    variables["batch_stats"]["stage1"]["block1"]["norm1"]["var"] = jnp.array([1.0, 9, 0.25, 1e-3])
    # The kernels' sizes are as 1, 2/3, 1/5 and 30.
    for kept, chosen in ((0.25, [3]), (0.5, [0, 3]), (0.75, [0, 1, 3])):
        _, thin = pruning.without_channels(model, variables, kept)
        found = thin["batch_stats"]["stage1"]["block1"]["norm1"]["var"]
        assert found.tolist() == pytest.approx([[1.0, 9, 0.25, 1e-3][place] for place in chosen])


def test_int8_is_near_the_network_and_a_quarter_of_its_size(network):
    pytest.importorskip("qwix")
    from resnet_jax.compression import quantisation

    model, variables = fold(*network)
    params = quantisation.quantised(variables["params"])
    tensors = quantisation.tensors(params)
    kernel = variables["params"]["stage1"]["block1"]["conv1"]["kernel"]
    values, scale = (tensors[f"stage1/block1/conv1/kernel{end}"] for end in ("", "_scale"))
    assert values.dtype == jnp.int8 and int(jnp.abs(values).max()) == 127
    # Each value is off by half a step of its output feature at most.
    steps = np.abs(np.asarray(kernel)).max(axis=(0, 1, 2), keepdims=True) / 127
    np.testing.assert_allclose(np.asarray(scale).ravel(), steps.ravel(), rtol=0.01)
    assert (np.abs(values * scale - kernel) <= 0.51 * scale).all()

    images = tiny.examples().images
    exact = logits(model, variables)
    quantised = jax.jit(partial(quantisation.apply_quantised, model))
    found = quantised(params, images)
    assert np.abs(found - exact).max() < 0.05 * np.abs(exact).max()
    aware = jax.jit(partial(quantisation.apply_rounded, model, train=False))(variables, images)
    np.testing.assert_allclose(found, aware, rtol=1e-3, atol=1e-3 * np.abs(exact).max())
    # What else is in the batch changes nothing.
    others = np.concatenate([images[:1], 3 * images[1:]])
    np.testing.assert_allclose(quantised(params, others)[:1], found[:1], rtol=1e-4, atol=1e-5)


def test_the_gradient_passes_the_rounding():
    pytest.importorskip("qwix")
    from resnet_jax.compression import quantisation

    x = jnp.array([[0.3, -1.0], [2.0, 0.7]])
    gradient = jax.grad(lambda x: (quantisation.rounded(x, 0) * jnp.array([[2.0, 3.0]])).sum())(x)
    assert gradient.tolist() == [[2, 3], [2, 3]]
    assert not np.array_equal(quantisation.rounded(x, 0), x)
