"""States that tests save, and how they are saved."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from resnet_jax.training.checkpoint import Checkpoints
from resnet_jax.training.state import TrainState


def state(step, *, ema=True):
    """A state with leaves of several types, whose values tell its step."""
    draw = np.random.default_rng(step)
    variables = {
        "params": {
            "kernel": jnp.array(draw.normal(size=(50, 40)), jnp.float32),
            "half": jnp.array(draw.normal(size=3), jnp.bfloat16),
        },
        "batch_stats": {"norm": {"mean": jnp.array(draw.normal(size=4), jnp.float32)}},
    }
    created = TrainState.create(variables, optax.adam(0.1), ema=ema)
    return created.replace(step=jnp.int32(step))


def assert_equal(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.dtype == other.dtype
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def save(folder, top1_of_step, **options):
    with Checkpoints(folder, **options) as checkpoints:
        for step, top1 in top1_of_step.items():
            checkpoints.save(state(step), None if top1 is None else {"top1": top1, "loss": 1.0})


def largest_file(folder):
    return max(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda p: p.stat().st_size
    )


class Run:
    """Stands for a run's identity; see record.Owner."""

    def __init__(self, name):
        self._name = name

    def as_json(self):
        return {"name": self._name}

    def unlike(self, stored):
        return "" if stored["name"] == self._name else f"it is {stored['name']}"
