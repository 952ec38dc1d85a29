"""A user's file of rows, with one of each kind."""

ROWS = '''
"""Rows of a user."""

import jax
import optax
from flax import linen as nn

from resnet_jax.models.branch import Branch, Convolution
from resnet_jax.models.connections.ends import direct
from resnet_jax.models.connections.record import Connection
from resnet_jax.models.norms import Norm, batch_norm


class Gate(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.sigmoid(self.param("gate", nn.initializers.zeros, (1, 1, 1, x.shape[-1]))) * x


def scalar_gate(x, features, stride, layers, start=1.0):
    if stride > 1 or x.shape[-1] != features:
        x = layers.conv(features, 1, stride, name="projection")(x)
    return start * Gate(name="gate")(x), 1.0


def both_paths(x, branch, site, layers, share=0.5, ends="B"):
    return (1 - share) * direct(x, site, layers, ends) + share * branch(x)


both = Connection(both_paths)


def three(widening: float = 1.0):
    return Branch((Convolution(3, widening, strided=True), Convolution(1), Convolution(3)))


slow_norm = Norm(batch_norm, running=True)


def signs(update, scale=1.0):
    rate = optax.scale_by_learning_rate(update.learning_rate)
    return optax.chain(optax.scale_by_sign(), optax.scale(scale), rate)


def sawtooth(steps, before, teeth=2):
    return lambda count: 1 - (count * teeth / steps) % 1


def grey(key, images, share=1.0):
    return (1 - share) * images + share * images.mean(-1, keepdims=True)


def noise(key, images):
    return images + jax.random.normal(key, images.shape)


def stripes(lines=2):
    from resnet_jax.data.sources.catalogue import synthetic

    return synthetic(image_size=8, classes=lines, examples=64)


def mislabelled():
    from resnet_jax.data.sources.catalogue import synthetic

    return synthetic()._replace(photographs=True)


def top3(outputs):
    return (outputs.mask & (outputs.rank < 3)).sum()


def squared(logits, targets):
    return ((jax.nn.softmax(logits) - targets) ** 2).sum(-1)


def few_arguments(x):
    return x


text = "no function"
'''
