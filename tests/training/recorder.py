"""What the tests of the training loop observe a run with, and what they do to it."""

import os
import signal

import jax
import jax.numpy as jnp
import numpy as np

from resnet_jax.training.meter import TIMES

STEPS = 9


class Killed(Exception):
    """Stands for the end of the process."""


class Recorder:
    """Lines of metrics as a file would keep them, and something to do at one step."""

    def __init__(self, lines=(), step=None, action=None):
        self.lines = dict(lines)
        self.rewound_to = None
        self._step, self._action = step, action

    def rewind(self, step):
        self.rewound_to = step
        self.lines = {number: line for number, line in self.lines.items() if number <= step}

    def write(self, step, metrics):
        if step == self._step:
            self._action()
        assert step not in self.lines, "a step is written twice"
        self.lines[step] = {name: metrics[name] for name in metrics if name not in TIMES}


def kill():
    raise Killed


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def poisoned(run, last):
    """The run, its parameters NaN after update `last`."""

    def train_step(state, *arguments):
        params = jax.tree.map(lambda x: jnp.where(state.step == last, jnp.nan, x), state.params)
        return run.train_step(state.replace(params=params), *arguments)

    return run._replace(train_step=train_step)


def assert_equal(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
