"""Optimizers whose averaged parameters are evaluated, and what that asks of a run."""

import jax
import jax.numpy as jnp
import linear
import numpy as np
import optax
import pytest

from resnet_jax.tables import UserError
from resnet_jax.training.losses import cross_entropy
from resnet_jax.training.optim import (
    Numbers,
    optimizer,
    scaled,
    schedule_free_adamw,
    schedule_free_sgd,
)
from resnet_jax.training.optimizers.schedule_free import averaged, averages
from resnet_jax.training.state import TrainState
from resnet_jax.training.steps import TrainStep, class_objective


def moved(transformation, steps=5):
    """Parameters and memory after some steps down a bowl, in float64."""
    params = {"w": jnp.array([1.0, -2.0, 3.0])}
    memory = transformation.init(params)
    for _ in range(steps):
        updates, memory = transformation.update(params, memory, params)
        params = optax.apply_updates(params, updates)
    return params, memory


@pytest.mark.parametrize(
    ("row", "of_optax"),
    [
        (schedule_free_sgd, optax.contrib.schedule_free_sgd),
        (schedule_free_adamw, optax.contrib.schedule_free_adamw),
    ],
)
def test_at_a_constant_rate_it_is_that_of_optax(row, of_optax):
    with jax.enable_x64(True):
        ours = moved(optimizer(row)(optax.constant_schedule(0.1), 0.01))
        theirs = moved(of_optax(0.1, weight_decay=0.01))
        np.testing.assert_allclose(ours[0]["w"], theirs[0]["w"], rtol=1e-12)
        np.testing.assert_allclose(
            averaged(*ours)["w"],
            optax.contrib.schedule_free_eval_params(theirs[1], theirs[0])["w"],
            rtol=1e-12,
        )


def test_evaluation_sees_the_average_of_all_steps():
    """With one rate, x is the mean of the z; with decay 0 and gradients g, z falls by 0.1 g."""
    transformation = optimizer(schedule_free_sgd, clip_norm=100.0)(
        optax.constant_schedule(0.1), 0.0
    )
    step = TrainStep(
        linear.apply, lambda rate, decay: transformation, lambda _: 1.0,
        class_objective(cross_entropy),
    )  # fmt: skip
    state = TrainState.create(linear.variables(), transformation, ema=False)
    np.testing.assert_allclose(
        state.eval_variables["params"]["bias"], linear.PARAMS["bias"], rtol=1e-6
    )
    z, places = {name: np.float64(value) for name, value in linear.PARAMS.items()}, []
    for number in range(3):
        batch = linear.batch(8, seed=number)
        _, gradient = linear.loss_and_gradient(jax.device_get(state.params), batch)
        z = {name: z[name] - 0.1 * gradient[name] for name in z}
        places.append(z)
        state, _ = step(state, batch, jax.random.key(0), Numbers(0.1, 0.0))
    for name, found in state.eval_variables["params"].items():
        mean = np.mean([place[name] for place in places], axis=0)
        np.testing.assert_allclose(found, mean, rtol=1e-4, atol=1e-6)
        assert np.abs(found - state.params[name]).max() > 1e-3


def test_other_optimizers_average_nothing():
    memory = optax.chain(optax.clip(1.0), optax.adam(0.1)).init({"w": jnp.ones(2)})
    assert not averages(memory)
    assert averages(
        optax.chain(optax.clip(1.0), optax.contrib.schedule_free_sgd()).init({"w": jnp.ones(2)})
    )


def test_frozen_parts_are_refused():
    chosen = optimizer(schedule_free_sgd)(optax.constant_schedule(0.1), 0.0)
    params = {"a": jnp.ones(1), "b": jnp.ones(1)}
    averages(scaled(chosen, lambda path: 1.0).init(params))
    with pytest.raises(UserError, match=r"schedule-free .* choose another optim\.name"):
        scaled(chosen, lambda path: float(path == ["a"])).init(params)
