"""Gradients and signals at every block, in networks whose answer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.tiny import SHAPE, network, taps, variables_of

from resnet_jax.analysis.blocks import is_plain, names
from resnet_jax.analysis.studies import gradient_flow
from resnet_jax.analysis.subject import Examples
from resnet_jax.models.kernels import KERNEL_INITS
from resnet_jax.models.residual import ARRANGEMENTS


@pytest.fixture(scope="module")
def bright():
    draw = np.random.default_rng(1)
    return Examples(draw.random((4, *SHAPE), np.float32), np.array([0, 1, 2, 0], np.int32))


def test_a_plain_network_scales_by_its_gain_and_a_residual_one_by_one_more(bright):
    gain = 0.25
    options = {"norm": "none", "stage_depths": (4,), "widths": (3,), "stem_width": 3}
    for shortcut, factor in (("none", gain), ("A", 1 + gain)):
        model = network(shortcut=shortcut, **options)
        variables = taps(model, [gain * np.eye(3)] * 4)
        flow = gradient_flow.measure(model, variables, bright)
        np.testing.assert_allclose(flow.mean[1:] / flow.mean[:-1], factor, rtol=1e-5)
        np.testing.assert_allclose(flow.variance[1:] / flow.variance[:-1], factor**2, rtol=1e-4)
        sizes = flow.input_gradient
        np.testing.assert_allclose(sizes[:-1] / sizes[1:], factor, rtol=1e-4)
        assert flow.ratio == pytest.approx(factor**3, rel=1e-4)
        assert flow.mean[0] == pytest.approx(factor * bright.images.mean(), rel=1e-5)
        # The last input reaches the logits through the mean over 64 positions and the head.
        head = np.asarray(variables["params"]["head"]["kernel"], np.float64)
        logits = factor**4 * bright.images.mean(axis=(1, 2)) @ head
        share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        by_logits = (share - np.eye(3)[bright.labels]) / 4
        by_hand = factor * np.linalg.norm(by_logits @ head.T) / np.sqrt(64)
        assert sizes[-1] == pytest.approx(by_hand, rel=1e-4)


def test_parameter_gradients_are_those_of_training(examples):
    model = network(stage_depths=(1, 1))
    variables = variables_of(model)
    flow = gradient_flow.measure(model, variables, examples)

    @jax.jit
    def gradient(params):
        def loss(params):
            logits, _ = model.apply(
                {**variables, "params": params}, examples.images, train=True,
                mutable=["batch_stats"],
            )  # fmt: skip
            right = jax.nn.log_softmax(logits)[jnp.arange(6), examples.labels]
            return -right.mean()

        return jax.grad(loss)(params)

    found = gradient(variables["params"])
    for name, size in zip(names(model), flow.parameter_gradient, strict=True):
        stage, block = name.path
        leaves = jax.tree.leaves(found[stage][block])
        assert size == pytest.approx(np.sqrt(sum((x**2).sum() for x in leaves)), rel=1e-3)


def test_a_norm_of_tiny_values_does_not_vanish():
    tiny_ones = [jnp.array([3e-30]), jnp.array([4e-30])]
    assert float(gradient_flow.norm(tiny_ones)) == pytest.approx(5e-30, rel=1e-5, abs=0)
    assert float(gradient_flow.norm([jnp.zeros(3)])) == 0.0


def test_twins_differ_in_shortcuts_order_and_norm_alone(plain):
    model, _ = plain
    twins = gradient_flow.twins(model)
    assert len(twins) == 9
    sizes = {
        name: sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(
            lambda m=twin: m.init(jax.random.key(0), jnp.zeros((1, *SHAPE)), train=False)
        )["params"]))
        for name, twin in twins.items() if "no norm" in name
    }  # fmt: skip
    assert len(set(sizes.values())) == 1
    own = twins["plain, with norm"]
    assert own.layers.norm is model.layers.norm
    assert own.block.arrangement == model.block.arrangement
    assert [is_plain(twin) for twin in twins.values()] == [True, False, False] * 3
    original, full = ARRANGEMENTS["original"], ARRANGEMENTS["full_preactivation"]
    assert [twin.block.arrangement for twin in twins.values()] == [original, original, full] * 3
    assert [twin.layers.kernel_init for twin in list(twins.values())[::3]] == [
        model.layers.kernel_init, KERNEL_INITS["he_fan_out"], KERNEL_INITS["pytorch"],
    ]  # fmt: skip
