"""How sharply the loss curves at the trained parameters: the largest eigenvalues of its Hessian."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from matplotlib.figure import Figure
from scipy.sparse.linalg import LinearOperator, eigsh

from resnet_jax.analysis.subject import Examples, Subject, Tree
from resnet_jax.reporting.drawing import STYLE
from resnet_jax.reporting.findings import Findings
from resnet_jax.tables.domains import PositiveInt

Loss = Callable[[Tree], Array]


def hessian_vector_product(loss: Loss, params: Tree) -> Callable[[Array], Array]:
    """The function v -> H v of flat vectors, which differentiates the gradient along v.

    Pearlmutter, 'Fast exact multiplication by the Hessian', 1994.
    """
    flat, unflatten = ravel_pytree(params)

    @jax.jit
    def product(vector: Array) -> Array:
        gradient = jax.grad(lambda flat: loss(unflatten(flat)))
        return jax.jvp(gradient, (flat,), (vector.astype(flat.dtype),))[1]

    return product


def top_eigenvalues(
    loss: Loss, params: Tree, count: int, *, tolerance: float = 1e-2, seed: int = 0
) -> Float[np.ndarray, "count"]:
    """The algebraically largest eigenvalues of the Hessian, the largest first, by ARPACK's Lanczos.

    Args:
      tolerance: relative accuracy of an eigenvalue.
    """
    size = sum(leaf.size for leaf in jax.tree.leaves(params))
    product = hessian_vector_product(loss, params)
    operator = LinearOperator(
        (size, size),
        matvec=lambda vector: np.asarray(product(jnp.asarray(vector.ravel())), np.float64),
        dtype=np.float64,
    )
    start = np.random.default_rng(seed).standard_normal(size)
    values = eigsh(
        operator, k=count, which="LA", tol=tolerance, v0=start, return_eigenvectors=False
    )
    return np.sort(values)[::-1]


def loss_on(subject: Subject, examples: Examples) -> Loss:
    """The mean loss of the network in evaluation, as a function of its parameters."""
    rest = {key: value for key, value in subject.variables.items() if key != "params"}
    images, labels = jnp.asarray(examples.images), jnp.asarray(examples.labels)

    def loss(params: Tree) -> Array:
        logits = subject.model.apply({"params": params, **rest}, images, train=False)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    return loss


def study(
    subject: Subject, *, examples: PositiveInt = 256, eigenvalues: PositiveInt = 5
) -> Findings:
    """The largest eigenvalues on training images, running statistics held fixed.

    Args:
      eigenvalues: number of eigenvalues.
    """
    loss = loss_on(subject, subject.examples("train", examples))
    params = subject.variables["params"]
    values = top_eigenvalues(loss, params, eigenvalues, seed=subject.seed)
    numbers = {"examples": examples, "loss": float(loss(params)), "eigenvalues": values.tolist()}
    listed = ", ".join(f"{value:.3g}" for value in values)
    return Findings(numbers, {"eigenvalues": draw(values)}, f"largest eigenvalues: {listed}")


def draw(values: np.ndarray) -> Figure:
    """The eigenvalues as bars."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5, 3), layout="constrained")
        axes = figure.subplots()
        axes.bar(np.arange(1, len(values) + 1), values, color="#2b5c8a")
        axes.set_xlabel("number")
        axes.set_title("largest eigenvalues of the loss' Hessian", loc="left")
    return figure
