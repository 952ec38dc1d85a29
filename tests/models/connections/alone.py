"""A connection without a block around it, and branches whose output is known."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from resnet_jax.models.connections.record import Connection, Site
from resnet_jax.models.layers import Layers
from resnet_jax.models.shortcuts import SHORTCUTS

KEY = jax.random.key(0)


class Alone(nn.Module):
    """One block's connection; `branch` is a function of (x, copy, stride)."""

    row: Connection
    site: Site
    train: bool = False

    @nn.compact
    def __call__(self, state, branch):
        layers = Layers(projection_norm=False, train=self.train)

        def called(x, *, copy=1, stride=None):
            return branch(x, copy, self.site.stride if stride is None else stride)

        return self.row.connect(state, called, self.site, layers)


def alone(name, features, *, stride=1, number=1, blocks=1, train=False, **options):
    row = SHORTCUTS.choose({"name": name, **options})
    return Alone(row, Site(features, stride, number, blocks), train)


def constant(*outputs):
    """A branch whose copies have these outputs whatever they are given."""
    return lambda x, copy, stride: jnp.asarray(outputs[copy - 1], jnp.float32)


def position(*channels):
    """An image of one position."""
    return np.array(channels, np.float32)[None, None, None]


def connected(module, state, branch, params=None, **call):
    """What the connection makes of a state, with new parameters or with these in their place."""
    variables = module.init({"params": KEY, "dropout": KEY}, state, branch)
    if params is not None:
        known = variables["params"]
        given = jax.tree.map(
            lambda leaf, new: jnp.asarray(new, jnp.float32),
            known,
            params,
            is_leaf=lambda node: not isinstance(node, dict),
        )
        assert jax.tree.map(jnp.shape, given) == jax.tree.map(jnp.shape, known)
        variables = {**variables, "params": given}
    return module.apply(variables, state, branch, **call)
