"""Lookahead's slow weights against a loop over single numbers."""

import jax.numpy as jnp
import numpy as np
import pytest
from training import linear

from resnet_jax.training.lookahead import LOOKAHEADS
from resnet_jax.training.optim import Numbers, optimizer, sgd
from resnet_jax.training.state import TrainState
from resnet_jax.training.steps import TrainStep, class_objective, step_keys

STEPS, RATE = 7, 0.5


def by_hand(every, decay):
    """Algorithm 1 of arXiv 1907.08610, of a quadratic with the gradient w - 3."""
    slow = fast = 1.0
    for made in range(1, STEPS + 1):
        fast -= RATE * (fast - 3.0)
        if made % every == 0:
            slow += (1 - decay(made / STEPS)) * (fast - slow)
            fast = slow
        yield slow, fast


@pytest.mark.parametrize(
    ("choice", "every", "decay"),
    [
        ("constant", 5, lambda share: 0.5),
        ({"name": "constant", "every": 2, "decay": 0.8}, 2, lambda share: 0.8),
        ("rising", 5, lambda share: 0.95**5 * share**3),
        ({"name": "rising", "every": 3, "decay": 0.9, "power": 2.0}, 3, lambda s: 0.9 * s**2),
        ({"name": "rising", "every": 1}, 1, lambda share: 0.95**5 * share**3),
    ],
)
def test_slow_and_fast_weights_by_hand(choice, every, decay):
    lookahead = LOOKAHEADS.choose(choice)()
    slow = fast = {"w": jnp.array([1.0])}
    for made, expected in enumerate(by_hand(every, decay), start=1):
        fast = {"w": fast["w"] - RATE * (fast["w"] - 3.0)}
        slow, fast = lookahead(slow, fast, jnp.int32(made), STEPS)
        np.testing.assert_allclose([slow["w"][0], fast["w"][0]], expected, rtol=1e-6)


def test_a_step_moves_parameters_and_statistics_and_evaluates_the_slow_ones():
    step = TrainStep(
        linear.apply, optimizer(sgd), lambda _: 1.0, class_objective(),
        lookahead=LOOKAHEADS.choose({"name": "constant", "every": 2, "decay": 0.75})(), steps=4,
    )  # fmt: skip
    plain = TrainStep(linear.apply, optimizer(sgd), lambda _: 1.0, class_objective())
    variables = {**linear.variables(), "batch_stats": {"mean": jnp.array([4.0])}}
    numbers, transformation = Numbers(0.1, 0.0), optimizer(sgd)(lambda _: 0.1, 0.0)
    state = TrainState.create(variables, transformation, ema=True)
    fast = TrainState.create(variables, transformation, ema=False)
    for number in range(2):
        arguments = linear.batch(6, number), step_keys(0, number)[1], numbers
        state, fast = step(state, *arguments)[0], plain(fast, *arguments)[0]
        if number == 0:
            np.testing.assert_array_equal(state.params["kernel"], fast.params["kernel"])
            assert state.ema["params"]["kernel"].tolist() == linear.PARAMS["kernel"].tolist()
    expected = 0.75 * linear.PARAMS["kernel"] + 0.25 * fast.params["kernel"]
    np.testing.assert_allclose(state.params["kernel"], expected, rtol=1e-5)
    np.testing.assert_array_equal(state.params["kernel"], state.ema["params"]["kernel"])
    assert state.eval_variables is state.ema
