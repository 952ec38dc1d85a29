"""Which blocks compute similar outputs: linear centred kernel alignment between all pairs."""

from functools import partial
from typing import Annotated

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from resnet_jax.analysis.blocks import names, outputs
from resnet_jax.analysis.subject import Examples, Subject, Tree
from resnet_jax.models.resnet import ResNet
from resnet_jax.reporting.drawing import STYLE
from resnet_jax.reporting.findings import Findings
from resnet_jax.tables.constraints import Interval
from resnet_jax.tables.domains import MOST

# Fewer examples have no unbiased HSIC.
Compared = Annotated[int, Interval(4, MOST)]
Grams = Float[np.ndarray, "blocks examples examples"]


def grams(model: ResNet, variables: Tree, examples: Examples) -> Grams:
    """For each block, the inner products of its outputs for all images, after centring."""

    def compute(variables: Tree, images: Array) -> Array:
        return jnp.stack([gram(output) for output in outputs(model, variables, images)[0]])

    return np.asarray(jax.jit(compute)(variables, examples.images), np.float64)


def gram(features: Float[Array, "examples *rest"]) -> Float[Array, "examples examples"]:
    """The inner products of the centred features of all pairs of examples."""
    flat = features.reshape(len(features), -1).astype(jnp.float32)
    flat = flat - flat.mean(axis=0, keepdims=True)
    return flat @ flat.T


def unbiased(grams: Grams) -> Grams:
    """Centres each K so that <K, L> / (n (n - 3)) is the unbiased HSIC of K and L.

    No example is compared with itself: the diagonal is left out and zero (Song et al., JMLR 13,
    2012, equation 5; as a centring: Székely & Rizzo, arXiv 1310.2926, definition 2).
    """
    n = grams.shape[-1]
    others = grams * (1 - np.eye(n))
    sums = others.sum(axis=2, keepdims=True)
    total = sums.sum(axis=1, keepdims=True) / ((n - 1) * (n - 2))
    centred = others - (sums + sums.transpose(0, 2, 1)) / (n - 2) + total
    return centred * (1 - np.eye(n))


def cka(ones: Grams, others: Grams) -> Float[np.ndarray, "blocks others"]:
    """Linear CKA (Kornblith et al., arXiv 1905.00414) of the unbiased HSIC.

    The biased form rises towards 1 where features outnumber examples, even for features that have
    nothing in common (Nguyen et al., arXiv 2010.15327, section 2). This one may be below 0.
    """

    def directions(grams: Grams) -> np.ndarray:
        flat = unbiased(grams).reshape(len(grams), -1)
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    return directions(ones) @ directions(others).T


def study(subject: Subject, *, other: Subject | None = None, examples: Compared = 256) -> Findings:
    """The blocks of one network with each other, or with those of another network."""
    batch = subject.examples("test", examples)
    measured = partial(grams, examples=batch)
    own = measured(subject.model, subject.variables)
    compared = measured(other.model, other.variables) if other else own
    table = cka(own, compared)
    rows = [str(name) for name in names(subject.model)]
    columns = [str(name) for name in names(other.model if other else subject.model)]
    neighbours = np.diagonal(table, offset=1) if not other else np.diagonal(table)
    what = "blocks in the same place" if other else "neighbouring blocks"
    return Findings(
        {"examples": examples, "blocks": rows, "others": columns, "cka": table.round(5).tolist()},
        {"cka": draw(table, rows, columns)},
        f"linear CKA of {what}: median {np.median(neighbours):.3f}, lowest {neighbours.min():.3f}",
    )


def draw(table: np.ndarray, rows: list[str], columns: list[str]) -> Figure:
    """The table of all pairs as a picture."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 5), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(table, vmin=0, vmax=1, cmap="magma")
        axes.set_yticks(range(len(rows)), rows, fontsize=6)
        axes.set_xticks(range(len(columns)), columns, fontsize=6, rotation=90)
        axes.set_title("linear CKA", loc="left")
        figure.colorbar(image, ax=axes)
    return figure
