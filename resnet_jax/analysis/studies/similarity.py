"""Which blocks compute similar outputs: linear centred kernel alignment between all pairs."""

from functools import partial

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

Grams = Float[np.ndarray, "blocks examples examples"]


def grams(model: ResNet, variables: Tree, examples: Examples) -> Grams:
    """For each block, the inner products of its outputs for all images, after centring."""

    def compute(variables: Tree, images: Array) -> Array:
        return jnp.stack([gram(output) for output in outputs(model, variables, images)[0]])

    return np.asarray(jax.jit(compute)(variables, examples.images), np.float64)


def gram(features: Float[Array, "examples *rest"]) -> Float[Array, "examples examples"]:
    """Computes H K H, where K = X X^T and H is the centring matrix."""
    flat = features.reshape(len(features), -1).astype(jnp.float32)
    flat = flat - flat.mean(axis=0, keepdims=True)
    return flat @ flat.T


def cka(ones: Grams, others: Grams) -> Float[np.ndarray, "blocks others"]:
    """<K, L> / (|K| |L|) of centred K and L: linear CKA (Kornblith et al., arXiv 1905.00414)."""

    def directions(grams: Grams) -> np.ndarray:
        flat = grams.reshape(len(grams), -1)
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    return directions(ones) @ directions(others).T


def study(subject: Subject, *, other: Subject | None = None, examples: int = 256) -> Findings:
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
