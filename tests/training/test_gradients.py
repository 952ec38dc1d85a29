"""Adaptive clipping and sharpness-aware gradients against arithmetic."""

import jax
import jax.numpy as jnp
import linear
import numpy as np
import optax
import pytest

from resnet_jax.training.losses import cross_entropy
from resnet_jax.training.optim import Numbers, optimizer, sgd
from resnet_jax.training.optimizers.gradients import adaptive, sam
from resnet_jax.training.state import TrainState
from resnet_jax.training.steps import TrainStep, class_objective

# One kernel of 1x1 with two inputs and two outputs: its columns are units, of norms 5 and 2.
KERNEL = jnp.array([[3.0, 2.0], [4.0, 0.0]])[None, None]
GRADIENT = jnp.array([[0.6, 0.01], [0.8, 0.0]])[None, None]


def clipped(gradient, weight, **options):
    return adaptive(**options).update(gradient, optax.EmptyState(), weight)[0]


def test_units_are_clipped_to_a_share_of_their_weights():
    found = clipped({"conv": GRADIENT}, {"conv": KERNEL}, clipping=0.1)["conv"]
    # The first has a norm of 1, above 0.1 * 5; the second of 0.01, below 0.1 * 2.
    np.testing.assert_allclose(found, GRADIENT * jnp.array([0.5, 1.0])[None, None, None], rtol=1e-6)


def test_a_unit_that_starts_at_zero_can_move():
    found = clipped(
        {"bias": jnp.array([3.0, 4.0])}, {"bias": jnp.zeros(2)}, clipping=0.5, epsilon=0.1
    )
    np.testing.assert_allclose(found["bias"], [0.03, 0.04], rtol=1e-6)


def test_the_head_is_spared():
    gradients, weights = ({"head": {"kernel": leaf[0, 0]}} for leaf in (100 * GRADIENT, KERNEL))
    np.testing.assert_array_equal(
        clipped(gradients, weights)["head"]["kernel"], 100 * GRADIENT[0, 0]
    )
    whole = clipped(gradients, weights, clipping=0.1, spares_head=False)["head"]["kernel"]
    np.testing.assert_allclose(np.linalg.norm(whole, axis=0), [0.5, 0.2], rtol=1e-6)


@pytest.mark.parametrize(
    "leaf", [(KERNEL, GRADIENT), (jnp.array([3.0, 4.0]), jnp.array([6.0, 8.0]))]
)
def test_scanned_blocks_have_units_of_their_own(leaf):
    weight, gradient = (jnp.stack([value, 10 * value]) for value in leaf)
    together = clipped({"blocks": {"x": 7 * gradient}}, {"blocks": {"x": weight}})["blocks"]["x"]
    for number in range(2):
        alone = clipped({"x": 7 * gradient[number]}, {"x": weight[number]})["x"]
        np.testing.assert_allclose(together[number], alone, rtol=1e-6)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_sam_takes_the_gradient_uphill(accumulate):
    """Foret et al., equations 2 and 3, with momentum SGD, a penalty and clipping."""
    row = optimizer(sgd, clip_norm=0.5, ascent=sam(radius=0.3))
    step = TrainStep(
        linear.apply, row, lambda _: 1.0, class_objective(cross_entropy), accumulate=accumulate
    )
    state = TrainState.create(linear.variables(), row(lambda _: 1.0, 0.0), ema=False)
    params, velocity = dict(linear.PARAMS), dict.fromkeys(linear.PARAMS, 0.0)
    for number in range(2):
        batch = linear.batch(8, seed=number)
        state, report = jax.jit(step)(state, batch, jax.random.key(0), Numbers(0.1, 0.01))
        _, here = linear.loss_and_gradient(params, batch)
        norm = np.sqrt(sum((leaf**2).sum() for leaf in here.values()))
        np.testing.assert_allclose(report["gradient_norm"], norm, rtol=1e-4)
        up = {name: params[name] + 0.3 * here[name] / norm for name in params}
        _, there = linear.loss_and_gradient(up, batch)
        whole = np.sqrt(sum((leaf**2).sum() for leaf in there.values()))
        for name in params:
            gradient = there[name] * min(1, 0.5 / whole) + 0.01 * params[name]
            velocity[name] = 0.9 * velocity[name] + gradient
            params[name] = params[name] - 0.1 * velocity[name]
    for name, expected in params.items():
        np.testing.assert_allclose(state.params[name], expected, rtol=2e-4, atol=1e-6)


def test_sam_does_not_climb_where_nothing_is_uphill():
    transformation = sam()(optax.sgd(0.1))
    params = {"w": jnp.ones(2)}
    updates, _ = transformation.update(
        {"w": jnp.zeros(2)}, transformation.init(params), params, grad_fn=lambda at, _: at
    )
    np.testing.assert_allclose(updates["w"], [-0.1, -0.1], rtol=1e-6)


def test_batch_statistics_are_those_of_the_parameters_themselves():
    network = linear.Normalised()
    row = optimizer(sgd, ascent=sam(radius=2.0))
    batch = linear.batch(8)
    variables = network.init(jax.random.key(0), batch.images, train=False)

    def after(optimizer):
        step = TrainStep(network.apply, optimizer, lambda _: 1.0, class_objective(cross_entropy))
        state = TrainState.create(variables, optimizer(lambda _: 1.0, 0.0), ema=False)
        return step(state, batch, jax.random.key(0), Numbers(0.1, 0.0))[0]

    uphill, plain = after(row), after(optimizer(sgd))
    jax.tree.map(np.testing.assert_array_equal, uphill.batch_stats, plain.batch_stats)
    assert any(
        not np.array_equal(one, other)
        for one, other in zip(
            jax.tree.leaves(uphill.params), jax.tree.leaves(plain.params), strict=True
        )
    )
