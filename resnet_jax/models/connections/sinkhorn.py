"""Sinkhorn's normalisation of matrices at all positions of an image."""

from functools import partial, reduce
from operator import add

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

# Positions come last, since they lie side by side in memory.
Matrices = Float[Array, "n n *positions"]
Vectors = Float[Array, "n *positions"]


def sinkhorn(logits: Float[Array, "*positions n n"], steps: int) -> Float[Array, "*positions n n"]:
    """exp(logits) with its columns and then its rows divided by their sums, `steps` times.

    Computed as u_i exp(logits)_ij v_j, in which a step makes new v and new u: it then reads the
    matrices twice and writes two vectors.
    """
    matrices = jnp.moveaxis(logits, (-2, -1), (0, 1))
    largest = lax.stop_gradient(matrices.max((0, 1), keepdims=True))
    return jnp.moveaxis(_balanced(jnp.exp(matrices - largest), steps), (0, 1), (-2, -1))


def _sum(matrices: Matrices, axis: int) -> Vectors:
    """The sum over rows or columns, as additions: in a loop XLA's CPU backend reduces slowly."""
    parts = jnp.split(matrices, matrices.shape[axis], axis)
    return reduce(add, parts).squeeze(axis)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _balanced(k: Matrices, steps: int) -> Matrices:
    return _forward(k, steps)[0]


def _forward(k: Matrices, steps: int):
    def step(u: Vectors, _: None) -> tuple[Vectors, tuple[Vectors, Vectors]]:
        v = 1 / _sum(k * u[:, None], 0)
        return 1 / _sum(k * v[None], 1), (u, v)

    last, (us, vs) = lax.scan(step, jnp.ones_like(k[:, 0]), None, length=steps)
    return k * last[:, None] * vs[-1][None], (k, last, us, vs)


def _backward(steps: int, saved, gradient: Matrices) -> tuple[Matrices]:
    k, last, us, vs = saved

    def step(carry: tuple[Vectors, Vectors, Matrices], made: tuple[Vectors, Vectors, Vectors]):
        (of_u, of_v, of_k), (before, v, u) = carry, made
        of_rows = -jnp.square(u) * of_u
        of_columns = -jnp.square(v) * (of_v + _sum(k * of_rows[:, None], 0))
        of_k += of_rows[:, None] * v[None] + before[:, None] * of_columns[None]
        # A v but the last is seen by its u alone.
        return (_sum(k * of_columns[None], 1), jnp.zeros_like(v), of_k), None

    of_u, of_v = _sum(gradient * k * vs[-1][None], 1), _sum(gradient * k * last[:, None], 0)
    start = of_u, of_v, gradient * last[:, None] * vs[-1][None]
    made = us, vs, jnp.concatenate([us[1:], last[None]])
    return (lax.scan(step, start, made, reverse=True)[0][2],)


_balanced.defvjp(_forward, _backward)
