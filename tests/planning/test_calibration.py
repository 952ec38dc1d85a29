"""The shares that predicted times rest on, and their errors, as experiments/scaling has them."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from resnet_jax.planning import calibration

PATH = Path(__file__).parents[2] / "experiments" / "scaling" / "calibrate.py"


@pytest.fixture(scope="module")
def calibrate():
    spec = importlib.util.spec_from_file_location("calibrate", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_shares_are_those_that_fit(calibrate):
    record = calibrate.read()
    found, used = calibrate.fit(record["cards"]), calibration.CARD_SHARES
    assert found.bandwidth == pytest.approx(used.bandwidth, rel=0.01)
    assert found.arithmetic == pytest.approx(used.arithmetic, rel=0.01)
    assert found.start == pytest.approx(used.start, rel=0.01)
    assert calibrate.fit_chip(record["chips"]) == pytest.approx(calibration.CHIP_SHARE, rel=0.01)


@pytest.mark.parametrize(
    ("kind", "stated"),
    [("cards", calibration.CARD_ERRORS), ("chips", calibration.CHIP_ERRORS)],
)
def test_the_stated_errors_are_those_of_the_steps_that_were_not_fitted(calibrate, kind, stated):
    record = calibrate.read()[kind]
    steps = calibrate.card_steps(record) if kind == "cards" else calibrate.chip_steps(record)
    fitted = [step.error for step in steps if step.fitted]
    others = [step.error for step in steps if not step.fitted]
    assert len(fitted) == {"cards": 3, "chips": 1}[kind] and len(others) == 6
    assert np.abs(fitted).max() < 0.03
    found = min(others), max(others), np.mean(np.abs(others))
    assert found == pytest.approx(stated, abs=0.006)
