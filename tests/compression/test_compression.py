"""Folding, pruning, distillation and quantisation against what they must leave the same."""

import os
import signal
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis import tiny

from resnet_jax.compression import learning, pruning
from resnet_jax.compression.folding import fold
from resnet_jax.data.changes.augment import Augmentation
from resnet_jax.data.resident import ImageSet, ResidentData
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


def test_distillation_by_hand():
    student, teacher = np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]])

    def softmax(x):
        return np.exp(x) / np.exp(x).sum()

    p, q = softmax(teacher[0] / 2), softmax(student[0] / 2)
    by_hand = 0.7 * 4 * (p * np.log(p / q)).sum() - 0.3 * np.log(softmax(student[0])[1])
    batch = learning.TaughtBatch(None, np.array([1]), np.array([True]), jnp.asarray(teacher))
    found = learning.distillation(2.0, 0.7)(jnp.asarray(student), batch)
    assert float(found[0]) == pytest.approx(by_hand, rel=1e-5)
    assert float(learning.divergence(jnp.asarray(teacher), jnp.asarray(teacher))[0]) == 0


@pytest.fixture(scope="module")
def data():
    draw = np.random.default_rng(0)
    images = ImageSet(draw.integers(0, 256, (64, 2, 2, 1)).astype(np.uint8),
                      (np.arange(64) % 2).astype(np.int32))  # fmt: skip
    return ResidentData(images, mean=(0.5,), std=(0.25,))


def linear(variables, images, train, mutable=(), rngs=None):
    flat = images.reshape(len(images), -1)
    return flat @ variables["params"]["kernel"], {}


def test_a_student_that_can_comes_to_agree_with_its_teacher(data):
    taught = np.random.default_rng(1).standard_normal((4, 2)).astype(np.float32)
    examples = learning.Taught(
        data, lambda kernel, images: images.reshape(len(images), -1) @ kernel, taught
    )
    found = learning.learn(
        linear, {"params": {"kernel": jnp.zeros((4, 2))}}, examples, steps=150, rate=0.3,
        batch_size=16, objective=learning.distillation(1.0, 1.0),
    )  # fmt: skip
    kernel = found["params"]["kernel"]
    # Logits count up to a constant.
    np.testing.assert_allclose(kernel[:, 0] - kernel[:, 1], taught[:, 0] - taught[:, 1], atol=0.15)


def by_kernel(kernel, images):
    return images.reshape(len(images), -1) @ kernel


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("given", ["labels", "teacher"])
def test_updates_by_hand(data, given):
    """SGD with momentum 0.9, weight decay 1e-4 and half a cosine, in NumPy."""
    draw = np.random.default_rng(5)
    start, taught = draw.standard_normal((2, 4, 2))
    steps, rate, size = 3, 0.5, 8
    options, examples = {}, data
    if given == "teacher":
        options = {"objective": learning.distillation(2.0, 0.75)}
        examples = learning.Taught(data, by_kernel, taught)
    found = learning.learn(
        linear, {"params": {"kernel": jnp.asarray(start, jnp.float32)}}, examples,
        steps=steps, rate=rate, batch_size=size, seed=1, **options,
    )  # fmt: skip

    kernel, momentum = start, 0.0
    for step in range(steps):
        batch = data.eval_batch(data.arrays, data.train_picks(1, step, size))
        x, right = np.reshape(batch.images, (size, 4)), np.eye(2)[batch.labels]
        by_logits = softmax(x @ kernel) - right
        if given == "teacher":
            # T^2 times the gradient of a divergence whose logits are divided by T.
            softened = softmax(x @ kernel / 2) - softmax(x @ taught / 2)
            by_logits = 0.75 * 2 * softened + 0.25 * by_logits
        momentum = 0.9 * momentum + x.T @ by_logits / size + 1e-4 * kernel
        kernel = kernel - rate * (1 + np.cos(np.pi * step / steps)) / 2 * momentum
    np.testing.assert_allclose(found["params"]["kernel"], kernel, rtol=2e-5, atol=2e-6)


class Changed:
    """A split whose training images are twice those of evaluation."""

    def __init__(self, data):
        self.arrays, self.examples, self.size_changes = data.arrays, data.examples, ()
        self.train_picks, self.eval_picks = data.train_picks, data.eval_picks
        self.eval_batch = data.eval_batch

    def train_batch(self, arrays, picks, key):
        batch = self.eval_batch(arrays, picks)
        return batch._replace(images=2 * batch.images)


@pytest.mark.parametrize("consistent", [True, False])
def test_the_teacher_sees_the_students_crop_or_the_image_as_it_is(data, consistent):
    taught = np.random.default_rng(5).standard_normal((4, 2))
    examples = learning.Taught(Changed(data), by_kernel, taught, consistent=consistent)
    found = learning.learn(
        linear, {"params": {"kernel": jnp.zeros((4, 2))}}, examples, steps=1, rate=1.0,
        batch_size=8, objective=learning.distillation(1.0, 1.0),
    )  # fmt: skip
    images = data.eval_batch(data.arrays, data.train_picks(0, 0, 8)).images
    x = 2 * np.reshape(images, (8, 4))
    by_logits = 0.5 - softmax((x if consistent else x / 2) @ taught)
    np.testing.assert_allclose(found["params"]["kernel"], -x.T @ by_logits / 8, rtol=1e-4)


def test_what_is_masked_stays_at_zero(data):
    mask = {"kernel": jnp.array([[True, False]] * 4)}
    start = {"params": {"kernel": jnp.zeros((4, 2))}}
    found = learning.learn(linear, start, data, steps=5, rate=0.1, batch_size=16, mask=mask)
    kernel = np.asarray(found["params"]["kernel"])
    assert kernel[:, 0].all() and not kernel[:, 1].any()
    assert not start["params"]["kernel"].any()


@pytest.mark.parametrize("consistent", [True, False])
def test_the_teacher_sees_the_crop_of_the_student_or_the_whole_image(consistent):
    draw = np.random.default_rng(0)
    images = ImageSet(draw.integers(0, 256, (8, 4, 4, 1)).astype(np.uint8), np.zeros(8, np.int32))
    data = ResidentData(images, mean=(0.5,), std=(0.25,), augmentation=Augmentation(pad=2))
    taught = learning.Taught(data, lambda scale, x: scale * x, 2.0, consistent=consistent)
    picks, key = taught.train_picks(0, 0, 8), jax.random.key(0)
    batch = taught.train_batch(taught.arrays, picks, key)
    crops = data.train_batch(data.arrays, picks, key).images
    whole = data.eval_batch(data.arrays, picks).images
    assert not np.array_equal(crops, whole)
    np.testing.assert_array_equal(batch.images, crops)
    np.testing.assert_array_equal(batch.teacher_logits, 2 * (crops if consistent else whole))


def test_a_loss_that_is_not_finite_is_a_sentence(data):
    start = {"params": {"kernel": jnp.full((4, 2), jnp.nan)}}
    with pytest.raises(UserError, match=r"train/loss became nan at step 1 .*: lower --rate"):
        learning.learn(linear, start, data, steps=5, rate=0.1, batch_size=16)


def test_a_signal_ends_the_training(data):
    def interrupted(variables, images, **options):
        os.kill(os.getpid(), signal.SIGINT)
        return linear(variables, images, **options)

    start = {"params": {"kernel": jnp.zeros((4, 2))}}
    with pytest.raises(UserError, match="SIGINT came after 1 of 5 updates"):
        learning.learn(interrupted, start, data, steps=5, rate=0.1, batch_size=16)


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
