"""Every optimizer's first updates against arithmetic in NumPy, from the papers' formulas."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from resnet_jax.tables import UserError
from resnet_jax.training.optim import (
    OPTIMIZERS,
    adam,
    adamw,
    lamb,
    lars,
    muon,
    nadamw,
    nesterov,
    optimizer,
    schedule_free_adamw,
    schedule_free_sgd,
    sgd,
)

RATES = (0.1, 0.05, 0.2)
DECAY = 0.01


def kernel(numbers):
    """A convolution of 1 x 2 pixels, from two channels to two features."""
    return np.array(numbers).reshape(1, 2, 2, 2)


START = {
    "kernel": kernel([1.0, -2.0, 0.5, 4.0, 0.3, -0.7, 2.0, 1.5]),
    "scale": np.array([1.0, 2.0]),
    "bias": np.array([-3.0, 0.25]),
}
GRADIENTS = [
    {
        "kernel": kernel([0.3, 0.1, -0.2, 1.0, 0.8, -0.6, 0.2, 0.4]),
        "scale": np.array([0.5, -0.5]),
        "bias": np.array([2.0, -1.0]),
    },
    {
        "kernel": kernel([-0.1, 0.4, 0.6, -0.3, 0.7, 0.9, -0.5, 0.1]),
        "scale": np.array([0.1, 0.7]),
        "bias": np.array([-0.4, 0.2]),
    },
    {
        "kernel": kernel([0.2, 0.2, -0.5, 0.9, -0.8, 0.3, 0.6, -0.4]),
        "scale": np.array([-0.3, 0.2]),
        "bias": np.array([0.8, 0.6]),
    },
]


def after_updates(row, **options):
    """The parameters after each update with the gradients above."""
    rates = jnp.array(RATES)
    chosen = optimizer(row, **{"decay_rule": "kernels", **options})
    transformation = chosen(lambda count: rates[count], DECAY)
    params = jax.tree.map(jnp.array, START)
    memory, found = transformation.init(params), []
    for gradients in GRADIENTS:
        updates, memory = transformation.update(jax.tree.map(jnp.array, gradients), memory, params)
        params = optax.apply_updates(params, updates)
        found.append(params)
    return found


def by_hand(rule, decayed=("kernel",)):
    """The same with `rule(w, g, memory, rate, decay, k)`, which returns the new w."""
    values, memory, found = dict(START), {name: {} for name in START}, []
    for number, (rate, gradients) in enumerate(zip(RATES, GRADIENTS, strict=True), start=1):
        values = {
            name: rule(
                value,
                gradients[name],
                memory[name],
                rate,
                DECAY if name in decayed else 0.0,
                number,
            )
            for name, value in values.items()
        }
        found.append(values)
    return found


def assert_same(found, expected):
    for step, (one, other) in enumerate(zip(found, expected, strict=True)):
        for name in START:
            message = f"{name} after update {step}"
            np.testing.assert_allclose(one[name], other[name], rtol=2e-5, err_msg=message)


def heavy_ball(w, g, memory, rate, decay, k):
    memory["v"] = 0.8 * memory.get("v", 0) + g + decay * w
    return w - rate * memory["v"]


def pytorch_nesterov(w, g, memory, rate, decay, k):
    """torch.optim.SGD(nesterov=True): g + momentum v, with v as it is after this gradient."""
    g = g + decay * w
    memory["v"] = 0.8 * memory.get("v", 0) + g
    return w - rate * (g + 0.8 * memory["v"])


def adam_direction(g, memory, k, eps):
    memory["m"] = 0.8 * memory.get("m", 0) + 0.2 * g
    memory["v"] = 0.9 * memory.get("v", 0) + 0.1 * g**2
    return memory["m"] / (1 - 0.8**k) / (np.sqrt(memory["v"] / (1 - 0.9**k)) + eps)


def adam_with_l2(w, g, memory, rate, decay, k):
    return w - rate * adam_direction(g + decay * w, memory, k, 0.1)


def adam_with_decoupled_decay(w, g, memory, rate, decay, k):
    return w - rate * (adam_direction(g, memory, k, 0.1) + decay * w)


def layerwise_sgd(w, g, memory, rate, decay, k):
    """LARS, algorithm 1; parameters that do not decay keep the plain rate."""
    size, gradient = np.linalg.norm(w), np.linalg.norm(g)
    local = 0.02 * size / (gradient + decay * size) if decay else 1.0
    memory["v"] = 0.8 * memory.get("v", 0) + rate * local * (g + decay * w)
    return w - memory["v"]


def layerwise_adam(w, g, memory, rate, decay, k):
    """LAMB, algorithm 2, with the identity as phi."""
    r = adam_direction(g, memory, k, 0.1) + decay * w
    return w - rate * np.linalg.norm(w) / np.linalg.norm(r) * r


def layerwise_adam_of_what_decays(w, g, memory, rate, decay, k):
    """The same, as timm has it: without weight decay a parameter's rate is the plain one."""
    r = adam_direction(g, memory, k, 0.1) + decay * w
    return w - rate * (np.linalg.norm(w) / np.linalg.norm(r) if decay else 1.0) * r


def orthogonal_momentum(w, g, memory, rate, decay, k):
    """Muon for kernels: Nesterov's average, five Newton-Schulz steps, the size of Adam's update.

    Everything else: Adam. Decay is decoupled.
    """
    if w.ndim < 4:
        return adam_with_decoupled_decay(w, g, memory, rate, decay, k)
    memory["m"] = 0.7 * memory.get("m", 0) + 0.3 * g
    x = 0.7 * memory["m"] / (1 - 0.7 ** (k + 1)) + 0.3 * g / (1 - 0.7**k)
    x = x.reshape(-1, w.shape[-1])
    x = x / (np.linalg.norm(x) + 0.1)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return w - rate * (0.2 * np.sqrt(max(x.shape)) * x.reshape(w.shape) + decay * w)


def nesterovs_adam(w, g, memory, rate, decay, k):
    """NAdam: the mean of the gradients after the next step, were its gradient zero, and g."""
    memory["m"] = 0.8 * memory.get("m", 0) + 0.2 * g
    memory["v"] = 0.9 * memory.get("v", 0) + 0.1 * g**2
    m = 0.8 * memory["m"] / (1 - 0.8 ** (k + 1)) + 0.2 * g / (1 - 0.8**k)
    return w - rate * (m / (np.sqrt(memory["v"] / (1 - 0.9**k)) + 0.1) + decay * w)


def road_less_scheduled(direction):
    """arXiv 2405.15682, equations 3 to 5, with steps along `direction(g, memory, k)`."""

    def rule(y, g, memory, rate, decay, k):
        z, x = memory.get("z", y), memory.get("x", y)
        memory["largest"] = max(memory.get("largest", 0), rate)
        memory["total"] = memory.get("total", 0) + memory["largest"] ** 2
        memory["z"] = z - rate * (direction(g, memory, k) + decay * y)
        share = memory["largest"] ** 2 / memory["total"]
        memory["x"] = (1 - share) * x + share * memory["z"]
        return 0.8 * memory["x"] + 0.2 * memory["z"]

    return rule


def root_mean_square(g, memory, k):
    memory["v"] = 0.9 * memory.get("v", 0) + 0.1 * g**2
    return g / (np.sqrt(memory["v"] / (1 - 0.9**k)) + 0.1)


MOMENTS = {"b1": 0.8, "b2": 0.9, "eps": 0.1}
FORMULAS = {
    "sgd": (partial(sgd, momentum=0.8), heavy_ball),
    "nesterov": (partial(nesterov, momentum=0.8), pytorch_nesterov),
    "adam": (partial(adam, **MOMENTS), adam_with_l2),
    "adamw": (partial(adamw, **MOMENTS), adam_with_decoupled_decay),
    "lars": (partial(lars, momentum=0.8, trust=0.02), layerwise_sgd),
    "lamb": (partial(lamb, **MOMENTS), layerwise_adam),
    "muon": (partial(muon, momentum=0.7, **MOMENTS), orthogonal_momentum),
    "nadamw": (partial(nadamw, **MOMENTS), nesterovs_adam),
    "schedule_free_sgd": (
        partial(schedule_free_sgd, momentum=0.8),
        road_less_scheduled(lambda g, memory, k: g),
    ),
    "schedule_free_adamw": (
        partial(schedule_free_adamw, momentum=0.8, b2=0.9, eps=0.1),
        road_less_scheduled(root_mean_square),
    ),
}


def formula(name):
    assert name in FORMULAS, (
        f"write the update of optimizer '{name}' in NumPy, and name it in FORMULAS of"
        " tests/training/test_optim.py"
    )
    return FORMULAS[name]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_are_those_of_the_formula(name):
    row, rule = formula(name)
    assert_same(after_updates(row), by_hand(rule))


def test_lamb_without_trust_ratios_of_what_does_not_decay():
    row = partial(lamb, adapt_all=False, **MOMENTS)
    assert_same(after_updates(row), by_hand(layerwise_adam_of_what_decays))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rule_all_decays_norms_and_biases_too(name):
    row, rule = formula(name)
    assert_same(after_updates(row, decay_rule="all"), by_hand(rule, decayed=tuple(START)))


@pytest.mark.parametrize("largest", [0.5, 100.0])
def test_clipping_scales_the_gradient_before_everything_else(largest):
    def clipped(rule):
        def clip(w, g, memory, rate, decay, k):
            whole = np.sqrt(sum((leaf**2).sum() for leaf in GRADIENTS[k - 1].values()))
            return rule(w, g * min(1, largest / whole), memory, rate, decay, k)

        return clip

    row, rule = FORMULAS["sgd"]
    assert_same(after_updates(row, clip_norm=largest), by_hand(clipped(rule)))


def test_muon_takes_each_of_the_scanned_blocks_for_itself():
    """A stage's stacked kernels, [blocks, rows, columns, channels, features]."""
    draw = np.random.default_rng(0)
    stacked = jnp.asarray(draw.normal(size=(3, 1, 2, 2, 2)), jnp.float32)
    transformation = optimizer(muon)(optax.constant_schedule(0.1), 0.0)

    def update(kernel):
        return transformation.update(kernel, transformation.init(kernel), kernel)[0]["kernel"]

    together = update({"kernel": stacked})
    for block, alone in zip(together, stacked, strict=True):
        np.testing.assert_allclose(block, update({"kernel": alone}), rtol=1e-5)


def test_unknown_names():
    with pytest.raises(UserError, match=r"'adamv' \(did you mean .*valid: sgd, nesterov, adam"):
        OPTIMIZERS.choose("adamv")
    with pytest.raises(UserError, match=r"'adam' takes no momentum.*: sgd, nesterov, lars"):
        OPTIMIZERS.choose({"name": "adam", "momentum": 0.9})
