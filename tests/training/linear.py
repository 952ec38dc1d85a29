"""A linear softmax model as the training steps see one, small enough for arithmetic by hand."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from resnet_jax.data.contract import Batch
from resnet_jax.models.batch_norm import BatchNorm

FEATURES, CLASSES = 6, 3
PARAMS = {
    "kernel": np.random.default_rng(0).normal(size=(FEATURES, CLASSES)).astype(np.float32),
    "bias": np.array([0.1, -0.2, 0.3], np.float32),
}


def batch(size, seed=0):
    draw = np.random.default_rng([1, seed])
    images = draw.normal(size=(size, 1, 2, 3)).astype(np.float32)
    return Batch(images, draw.integers(0, CLASSES, size).astype(np.int32), np.ones(size, bool))


def apply(variables, images, *, train, mutable=(), rngs=None):
    """Logits, and in training the collections that changed: none."""
    params = variables["params"]
    logits = images.reshape(len(images), -1) @ params["kernel"] + params["bias"][None]
    return (logits, {}) if mutable else logits


class Normalised(nn.Module):
    """A batch norm between two linear layers."""

    group_size: int | None = None

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Dense(5)(x.reshape(len(x), -1))
        x = BatchNorm(train=train, group_size=self.group_size, momentum=0.5)(x)
        return nn.Dense(CLASSES)(jnp.tanh(x))


def softmax(logits):
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def loss_and_gradient(params, batch, label_smoothing=0.0, targets=None):
    """Mean cross-entropy and its gradient, by hand."""
    x = np.float64(batch.images).reshape(len(batch.images), -1)
    targets = np.eye(CLASSES)[batch.labels] if targets is None else targets
    targets = targets * (1 - label_smoothing) + label_smoothing / CLASSES
    probabilities = softmax(x @ params["kernel"] + params["bias"])
    error = (probabilities - targets) / len(x)
    loss = -(targets * np.log(probabilities)).sum() / len(x)
    return loss, {"kernel": x.T @ error, "bias": error.sum(0)}


def variables():
    return {"params": {name: jnp.array(value) for name, value in PARAMS.items()}}
