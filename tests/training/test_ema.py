import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from resnet_jax.training import ema
from resnet_jax.training.state import TrainState

VARIABLES = {
    "params": {"kernel": jnp.array([1.0, 2.0])},
    "batch_stats": {"mean": jnp.array([3.0])},
}


def test_average_moves_by_the_decay():
    found = ema.update({"w": jnp.array([1.0, 2.0])}, {"w": jnp.array([3.0, 0.0])}, 10_000, 0.9)
    np.testing.assert_allclose(found["w"], 0.9 * np.array([1, 2]) + 0.1 * np.array([3, 0]))


@pytest.mark.parametrize("step, decay", [(0, 1 / 10), (8, 9 / 18), (71, 72 / 81), (10**6, 0.99)])
def test_early_steps_weigh_more(step, decay):
    found = ema.update(jnp.array([1.0]), jnp.array([0.0]), jnp.int32(step), 0.99)
    np.testing.assert_allclose(found, [decay], rtol=1e-6)


def test_average_of_steady_values_is_those_values():
    values = {"w": jnp.array([0.1, 0.2, 0.3])}
    np.testing.assert_array_equal(ema.update(values, values, 5, 0.999)["w"], values["w"])


def test_average_keeps_its_type():
    old = jnp.array([1.0], jnp.bfloat16)
    assert ema.update(old, jnp.array([2.0], jnp.bfloat16), 1, 0.5).dtype == jnp.bfloat16


def test_new_state_holds_copies_of_the_values_so_that_it_can_be_donated():
    state = TrainState.create(VARIABLES, optax.sgd(0.1, 0.9), ema=True)
    np.testing.assert_array_equal(state.ema["params"]["kernel"], state.params["kernel"])
    np.testing.assert_array_equal(state.ema["batch_stats"]["mean"], state.batch_stats["mean"])
    buffers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(state)]
    assert len(set(buffers)) == len(buffers)


def test_evaluation_uses_the_average_where_there_is_one():
    with_average = TrainState.create(VARIABLES, optax.sgd(0.1), ema=True)
    moved = with_average.replace(params={"kernel": jnp.array([5.0, 5.0])})
    np.testing.assert_array_equal(moved.eval_variables["params"]["kernel"], [1.0, 2.0])

    without = TrainState.create(VARIABLES, optax.sgd(0.1), ema=False)
    assert without.ema is None
    moved = without.replace(params={"kernel": jnp.array([5.0, 5.0])})
    np.testing.assert_array_equal(moved.eval_variables["params"]["kernel"], [5.0, 5.0])
    np.testing.assert_array_equal(moved.eval_variables["batch_stats"]["mean"], [3.0])
