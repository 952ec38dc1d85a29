"""Groups of parameters with rates and decays of their own."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from resnet_jax.tables import UserError
from resnet_jax.training.optim import OPTIMIZERS, optimizer
from resnet_jax.training.optimizers.groups import GROUPS

PARAMS = {
    "stem_conv": {"kernel": np.full((1, 1, 2, 3), 0.5), "bias": np.full(3, 2.0)},
    "stage1": {
        "block1": {
            "conv1": {"kernel": np.full((1, 1, 3, 3), -0.4)},
            "norm1": {"scale": np.full(3, 1.5), "bias": np.full(3, 3.0)},
        },
        "projection_norm": {"bias": np.full(3, 1.0)},
    },
    "head": {"kernel": np.full((3, 2), 0.7), "bias": np.full(2, -1.0)},
}
HELD = {
    "kernels": {"stem_conv/kernel", "stage1/block1/conv1/kernel", "head/kernel"},
    "head": {"head/kernel", "head/bias"},
    "norm_biases": {"stage1/block1/norm1/bias", "stage1/projection_norm/bias"},
    "norm_scales": {"stage1/block1/norm1/scale"},
    "stem_bias": {"stem_conv/bias"},
    "biases": {"stem_conv/bias", "stage1/block1/norm1/bias", "stage1/projection_norm/bias",
               "head/bias"},
}  # fmt: skip


def paths(tree):
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


@pytest.mark.parametrize("name", GROUPS)
def test_which_parameters_a_group_holds(name):
    assert {path for path in paths(PARAMS) if GROUPS[name].holds(path)} == HELD[name]


def made(row, *choices, **options):
    groups = [GROUPS.choose(choice) for choice in choices]
    return optimizer(OPTIMIZERS[row], groups=groups, **options)


def updates(transformation, params=PARAMS, steps=1):
    """The updates of each step for the gradient 1 everywhere, at unchanged parameters."""
    params = jax.tree.map(jnp.asarray, params)
    ones = jax.tree.map(jnp.ones_like, params)
    state = transformation.init(params)
    found = []
    for _ in range(steps):
        update, state = transformation.update(ones, state, params)
        found.append(paths(update))
    return found


def test_rate_and_decay_of_a_group_by_hand():
    """- rate r (1 + decay d w) for the factors r and d."""
    groups = (
        {"name": "norm_biases", "rate": 64.0, "decay": 1 / 64},
        {"name": "head", "decay": 0.0},
    )
    (found,) = updates(made("sgd", *groups)(optax.constant_schedule(0.1), 0.01))
    factors = dict.fromkeys(HELD["norm_biases"], (64, 1 / 64))
    factors |= dict.fromkeys(HELD["head"], (1, 0))
    for path, leaf in paths(PARAMS).items():
        rate, decay = factors.get(path, (1, 1))
        np.testing.assert_allclose(
            found[path], -0.1 * rate * (1 + 0.01 * decay * leaf), rtol=1e-5, err_msg=path
        )


@pytest.mark.parametrize("row", [row for row in OPTIMIZERS if "schedule_free" not in row])
def test_a_group_with_neutral_factors_changes_nothing(row):
    plain = updates(made(row)(optax.constant_schedule(0.1), 0.01), steps=2)
    grouped = updates(made(row, "norm_biases", "kernels")(optax.constant_schedule(0.1), 0.01),
                      steps=2)  # fmt: skip
    for one, other in zip(plain, grouped, strict=True):
        for path, update in one.items():
            np.testing.assert_allclose(update, other[path], rtol=1e-6, err_msg=path)


@pytest.mark.parametrize("row", ["nesterov", "lars", "adamw"])
def test_a_group_that_learns_in_the_first_epochs_alone_then_stays_as_it_is(row):
    chosen = made(
        row, {"name": "stem_bias", "epochs": 1.5}, in_steps=lambda epochs: int(2 * epochs)
    )
    found = updates(chosen(optax.constant_schedule(0.1), 0.01), steps=5)
    moves = [bool(update["stem_conv/bias"].any()) for update in found]
    assert moves == [True, True, True, False, False]
    assert all(update["head/bias"].any() for update in found)


def test_the_first_group_that_holds_a_parameter_has_it():
    groups = {"name": "norm_biases", "rate": 2.0}, {"name": "biases", "rate": 3.0}
    (found,) = updates(made("sgd", *groups)(optax.constant_schedule(1.0), 0.0))
    assert found["stage1/block1/norm1/bias"].tolist() == [-2.0] * 3
    assert found["head/bias"].tolist() == [-3.0] * 2


def test_a_group_of_nothing_is_refused():
    params = {"head": PARAMS["head"]}
    with pytest.raises(UserError, match=r"stem_conv/bias.*leave the group out"):
        made("sgd", "stem_bias")(optax.constant_schedule(1.0), 0.0).init(params)


def test_schedule_free_optimizers_are_not_divided():
    with pytest.raises(UserError, match=r"leave optim\.groups empty"):
        updates(made("schedule_free_sgd", "head")(optax.constant_schedule(1.0), 0.0))
