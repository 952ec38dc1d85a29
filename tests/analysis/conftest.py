"""Tiny networks that several analyses are tested on."""

import pytest
from analysis import tiny

from resnet_jax.analysis.subject import Examples


@pytest.fixture(scope="session")
def examples() -> Examples:
    return tiny.examples()


@pytest.fixture(scope="session")
def linear() -> tiny.Linear:
    return tiny.Linear(1)


@pytest.fixture(scope="session")
def residual():
    model = tiny.network()
    return model, tiny.variables_of(model)


@pytest.fixture(scope="session")
def plain():
    model = tiny.network(shortcut="none")
    return model, tiny.variables_of(model)
