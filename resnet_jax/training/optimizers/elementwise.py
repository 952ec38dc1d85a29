"""Optimizers that change each number of the parameters by its own gradients."""

import optax

from resnet_jax.tables.domains import BelowOne, Positive
from resnet_jax.training.optimizers.update import Update


def sgd(update: Update, momentum: BelowOne = 0.9) -> optax.GradientTransformation:
    """Momentum SGD, v = momentum v + g, with an L2 penalty."""
    return optax.chain(update.l2(), optax.sgd(update.learning_rate, momentum))


def nesterov(update: Update, momentum: BelowOne = 0.9) -> optax.GradientTransformation:
    """SGD with Nesterov's momentum and an L2 penalty."""
    return optax.chain(update.l2(), optax.sgd(update.learning_rate, momentum, nesterov=True))


def adam(
    update: Update, b1: BelowOne = 0.9, b2: BelowOne = 0.999, eps: Positive = 1e-8
) -> optax.GradientTransformation:
    """Adam (Kingma & Ba, arXiv 1412.6980) with an L2 penalty."""
    return optax.chain(update.l2(), optax.adam(update.learning_rate, b1, b2, eps))


def adamw(
    update: Update, b1: BelowOne = 0.9, b2: BelowOne = 0.999, eps: Positive = 1e-8
) -> optax.GradientTransformation:
    """Adam with decoupled decay, rate * decay * w (Loshchilov & Hutter, arXiv 1711.05101)."""
    return optax.adamw(
        update.learning_rate, b1, b2, eps, weight_decay=update.weight_decay, mask=update.decays
    )


def nadamw(
    update: Update, b1: BelowOne = 0.9, b2: BelowOne = 0.999, eps: Positive = 1e-8
) -> optax.GradientTransformation:
    """AdamW with Nesterov's momentum: NAdam (Dozat, ICLR workshop 2016) with decoupled decay.

    b1 does not change in the course of a run. The mean of the gradients and the newest gradient
    are divided by what Adam divides each by; AlgoPerf's baseline divides both by 1 - b1^k.
    """
    return optax.nadamw(
        update.learning_rate, b1, b2, eps, weight_decay=update.weight_decay, mask=update.decays
    )
