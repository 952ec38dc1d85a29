"""The peer from Flax: the network of its examples/imagenet, `python flax_example.py WORK`.

Written anew with the same layers: projections inferred from shapes, zero-initialised last scales,
SAME padding, batch norm of flax.linen.
"""

import sys
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from ours import Output, Training, compiling, example, facts, rate
from works import WORKS, Work, serve


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, and a projection where the shapes differ."""

    filters: int
    conv: Any
    norm: Any
    strides: tuple[int, int] = (1, 1)

    @nn.compact
    def __call__(self, x):
        y = nn.relu(self.norm()(self.conv(self.filters, (1, 1))(x)))
        y = nn.relu(self.norm()(self.conv(self.filters, (3, 3), self.strides)(y)))
        y = self.conv(4 * self.filters, (1, 1))(y)
        y = self.norm(scale_init=nn.initializers.zeros)(y)
        if x.shape != y.shape:
            x = self.norm()(self.conv(4 * self.filters, (1, 1), self.strides)(x))
        return nn.relu(x + y)


class ResNet(nn.Module):
    """A network of bottlenecks for 1,000 classes."""

    depths: tuple[int, ...] = (3, 4, 6, 3)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, train: bool):
        conv = partial(nn.Conv, use_bias=False, dtype=self.dtype)
        norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.9, dtype=self.dtype)
        x = conv(64, (7, 7), (2, 2), padding=[(3, 3), (3, 3)])(x)
        x = nn.max_pool(nn.relu(norm()(x)), (3, 3), strides=(2, 2), padding="SAME")
        for stage, depth in enumerate(self.depths):
            for block in range(depth):
                strides = (2, 2) if stage and not block else (1, 1)
                x = Bottleneck(64 * 2**stage, conv, norm, strides)(x)
        return nn.Dense(1000, dtype=self.dtype)(x.mean((1, 2)))


def step(depths: tuple[int, ...] = (3, 4, 6, 3), dtype: Any = jnp.float32):
    """Returns (state, batch) -> (state, report), and key -> the state before the first."""
    model, optimizer = ResNet(depths, dtype), optax.sgd(0.1, 0.9, nesterov=True)

    def create(key):
        variables = model.init(key, jnp.zeros((1, 64, 64, 3)), train=False)
        return {**variables, "optimizer": optimizer.init(variables["params"])}

    def train_step(state, batch):
        def loss(params):
            variables = {"params": params, "batch_stats": state["batch_stats"]}
            logits, changed = model.apply(
                variables, batch.images, train=True, mutable=["batch_stats"]
            )
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels)
            decay = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params) if leaf.ndim > 1)
            return losses.mean() + 0.5e-4 * decay, (changed, logits)

        (value, (changed, logits)), gradients = jax.value_and_grad(loss, has_aux=True)(
            state["params"]
        )
        updates, memory = optimizer.update(gradients, state["optimizer"], state["params"])
        params = optax.apply_updates(state["params"], updates)
        report = {"loss": value, "top1": (logits.argmax(-1) == batch.labels).mean()}
        return {"params": params, **changed, "optimizer": memory}, report

    return train_step, create


def measurement(work: Work):
    train_step, create = step()
    if work.kind == "compile":
        state = jax.eval_shape(create, jax.random.key(0))
        return partial(compiling, train_step, state, example(work))
    state, batch = jax.jit(create)(jax.random.key(0)), example(work)
    if work.kind == "train":
        side = Training(train_step, state, batch)
    else:
        variables = {"params": state["params"], "batch_stats": state["batch_stats"]}
        side = Output(partial(ResNet().apply, train=False), variables, batch.images)
    side()
    side.finish()
    return partial(rate, side, work)


if __name__ == "__main__":
    work = WORKS[sys.argv[1]]
    serve(measurement(work), versions=facts(work)["versions"])
