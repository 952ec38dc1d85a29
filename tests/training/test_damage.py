"""No damage of a checkpoint goes unnoticed: what is restored is whole, or a word is said."""

import logging
import shutil
import tempfile
from pathlib import Path

import pytest
from damage import damage
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from saved import Run, assert_equal, save, state

from resnet_jax.tables import UserError
from resnet_jax.training.checkpoint import Checkpoints

pytestmark = pytest.mark.usefixtures("quiet_readers")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damage") / "checkpoints"
    save(folder, {1: 0.1, 2: 0.2, 3: 0.3}, keep=3, owner=Run("this"))
    return folder


def is_met_rightly(whole, caplog, data, goes_on=True):
    with tempfile.TemporaryDirectory() as place:
        folder = shutil.copytree(whole, Path(place) / "checkpoints")
        note(damage(folder, data.draw))
        caplog.clear()
        with Checkpoints(folder, keep=3, keep_best=1, owner=Run("this")) as checkpoints:
            try:
                found = checkpoints.restore(state(0))
            except UserError as error:
                assert "\n" not in str(error) and "are damaged" in str(error)
                return
            step = int(found.step)
            assert_equal(found, state(step))
            assert step == 3 or "is damaged" in caplog.text
            best = checkpoints.best_step
            assert best == max(step for step in checkpoints.steps if step <= 3)
            if not goes_on:
                return
            # It saves, keeps the best, and restores what it saved.
            checkpoints.save(state(4), {"top1": 0.0})
            checkpoints.save(state(5), None)
            checkpoints.wait()
            assert_equal(checkpoints.restore(state(0)), state(5))
            assert checkpoints.best_step in (best, 4)


def drawn(examples):
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@drawn(12)
@given(data=st.data())
def test_damage(whole, caplog, data):
    with caplog.at_level(logging.ERROR):
        is_met_rightly(whole, caplog, data, goes_on=False)


@pytest.mark.slow
@drawn(100)
@given(data=st.data())
def test_a_hundred_damages(whole, caplog, data):
    with caplog.at_level(logging.ERROR):
        is_met_rightly(whole, caplog, data)
