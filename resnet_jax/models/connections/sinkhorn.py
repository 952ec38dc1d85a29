"""Sinkhorn's normalisation of matrices at all positions of an image."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

# Positions come last, since they lie side by side in memory: four neighbours add up slowly.
Matrices = Float[Array, "n n *positions"]
Vectors = Float[Array, "n *positions"]


def sinkhorn(logits: Float[Array, "*positions n n"], steps: int) -> Float[Array, "*positions n n"]:
    """exp(logits) with its columns and then its rows divided by their sums, `steps` times.

    Computed as u_i exp(logits)_ij v_j, in which a step makes new v and new u (Sinkhorn & Knopp,
    1967): a step then reads the matrices twice and writes two vectors.
    """
    matrices = jnp.moveaxis(logits, (-2, -1), (0, 1))
    largest = lax.stop_gradient(matrices.max((0, 1), keepdims=True))
    return jnp.moveaxis(_balanced(jnp.exp(matrices - largest), steps), (0, 1), (-2, -1))


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _balanced(k: Matrices, steps: int) -> Matrices:
    return _forward(k, steps)[0]


def _forward(k: Matrices, steps: int):
    def step(u: Vectors, _: None) -> tuple[Vectors, tuple[Vectors, Vectors]]:
        v = 1 / (k * u[:, None]).sum(0)
        return 1 / (k * v[None]).sum(1), (u, v)

    last, (us, vs) = lax.scan(step, jnp.ones_like(k[:, 0]), None, length=steps)
    return k * last[:, None] * vs[-1][None], (k, last, us, vs)


def _backward(steps: int, saved, gradient: Matrices) -> tuple[Matrices]:
    """The steps in reverse carry vectors alone; what they give k is summed at the end."""
    k, last, us, vs = saved
    of_product = gradient * k

    def step(carry: tuple[Vectors, Vectors], made: tuple[Vectors, Vectors]):
        (of_u, of_v), (u, v) = carry, made
        of_rows = -jnp.square(u) * of_u
        of_columns = -jnp.square(v) * (of_v + (k * of_rows[:, None]).sum(0))
        # A v but the last is seen by its u alone.
        return ((k * of_columns[None]).sum(1), jnp.zeros_like(v)), (of_rows, of_columns)

    start = ((of_product * vs[-1][None]).sum(1), (of_product * last[:, None]).sum(0))
    made = jnp.concatenate([us[1:], last[None]]), vs
    _, (of_rows, of_columns) = lax.scan(step, start, made, reverse=True)
    of_k = gradient * last[:, None] * vs[-1][None]
    of_k += (of_rows[:, :, None] * vs[:, None]).sum(0)
    return (of_k + (us[:, :, None] * of_columns[:, None]).sum(0),)


_balanced.defvjp(_forward, _backward)
