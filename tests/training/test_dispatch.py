from contextlib import nullcontext

import jax
import jax.numpy as jnp
import linear
import numpy as np
import optax
import pytest

from resnet_jax.data.order import Indices, stream
from resnet_jax.training import parallel
from resnet_jax.training.dispatch import Dispatch
from resnet_jax.training.optim import Numbers
from resnet_jax.training.run import Run
from resnet_jax.training.state import TrainState
from resnet_jax.training.steps import step_keys

SEED, EXAMPLES, BATCH_SIZE = 3, 10, 4
NUMBERS = Numbers(0.1, 0.0)


class Data:
    """Examples whose image is a number; augmentation adds a random one to all of a batch."""

    examples = EXAMPLES
    arrays = np.arange(EXAMPLES, dtype=np.float32)

    def train_picks(self, seed, step, batch_size):
        indices = stream(seed, step * batch_size, batch_size, EXAMPLES)
        return Indices(indices, np.ones(batch_size, bool))

    def train_batch(self, arrays, picks, key):
        return linear.Batch(
            arrays[picks.indices] + 100 * jax.random.uniform(key), picks.indices, picks.mask
        )


def report_everything(state, batch, key, numbers):
    """In place of a training step: reports what it was given."""
    draw = jax.random.uniform(key)
    report = {"step": state.step, "images": batch.images, "draw": draw, "rate": numbers.rate}
    return state.replace(step=state.step + 1), report


@pytest.fixture
def compilations():
    return []


@pytest.fixture
def dispatch(compilations):
    return Dispatch([run_on(Data())], lambda: nullcontext(compilations.append(1)))


def run_on(data):
    return Run(
        mesh=parallel.make_mesh(),
        data=data,
        train_step=report_everything,
        numbers=NUMBERS,
        seed=SEED,
        batch_size=BATCH_SIZE,
        create_state=lambda: state_at(0),
        abstract_state=state_at(0),
        evaluate=lambda state: {},
        steps=10,
    )


def state_at(step):
    state = TrainState.create({"params": {}}, optax.sgd(0.1), ema=False)
    return state.replace(step=jnp.int32(step))


def expected(step):
    """What step `step` is given, as a function of the seed and its number alone."""
    data_key, network_key = step_keys(SEED, step)
    indices = stream(SEED, step * BATCH_SIZE, BATCH_SIZE, EXAMPLES)
    return {
        "step": step,
        "images": indices + 100 * np.asarray(jax.random.uniform(data_key)),
        "draw": jax.random.uniform(network_key),
        "rate": NUMBERS.rate,
    }


@pytest.mark.parametrize("first", [0, 7])
@pytest.mark.parametrize("counts", [(1, 1, 1), (3,), (2, 1)])
def test_examples_and_keys_are_those_of_the_step(dispatch, first, counts):
    state, step, found = state_at(first), first, []
    for count in counts:
        state, (reports,) = dispatch(state, step, count)
        step += count
        found += [jax.tree.map(lambda leaf, i=i: leaf[i], reports) for i in range(count)]
    assert int(state.step) == step == first + 3
    for number, report in enumerate(found, start=first):
        jax.tree.map(
            lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-6),
            report,
            expected(number),
        )


def test_compiles_once_for_each_length(dispatch, compilations):
    state = state_at(0)
    for count in (1, 2, 1, 2, 2):
        state, _ = dispatch(state, int(state.step), count)
    assert len(compilations) == 2


def test_compiles_once_for_each_size_of_images(compilations):
    class Growing(Data):
        def train_picks(self, seed, step, batch_size):
            size = 3 if step < 2 else 5
            return np.full((batch_size, size), step, np.float32)

        def train_batch(self, arrays, picks, key):
            return linear.Batch(picks, picks[:, 0], picks[:, 0] > 0)

    dispatch = Dispatch([run_on(Growing())], lambda: nullcontext(compilations.append(1)))
    state, shapes = state_at(0), []
    for _ in range(4):
        state, (report,) = dispatch(state, int(state.step), 1)
        shapes.append(report["images"].shape)
    assert shapes == [(1, BATCH_SIZE, 3)] * 2 + [(1, BATCH_SIZE, 5)] * 2
    assert len(compilations) == 2


def test_state_is_donated(dispatch):
    state = state_at(0)
    dispatch(state, 0, 1)
    assert state.step.is_deleted()
