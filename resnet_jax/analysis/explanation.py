"""Where a network looked: Grad-CAM, and how covered squares lower a probability."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from resnet_jax.analysis.blocks import changed, names
from resnet_jax.analysis.subject import Tree, logits
from resnet_jax.models.resnet import ResNet

Map = Float[np.ndarray, "height width"]


def weighted_activations(
    activations: Float[Array, "batch height width *parts channels"],
    gradients: Float[Array, "batch height width *parts channels"],
) -> Float[Array, "batch height width"]:
    """Grad-CAM of activations and the logit's gradient by them (arXiv 1610.02391, eq. 1 and 2).

    Channels of all streams and of all earlier outputs count, where blocks hand on several.
    """
    weights = gradients.mean(axis=(1, 2), keepdims=True)
    return jax.nn.relu((weights * activations).sum(axis=range(3, activations.ndim)))


def grad_cam(
    model: ResNet, variables: Tree, images: Array, classes: Array
) -> Float[Array, "batch rows columns"]:
    """Grad-CAM of the last block, for one class of each image; a map's largest value is 1."""
    last = len(names(model)) - 1

    def logit(shift: Array | None) -> tuple[Array, Array]:
        found: list[Array] = []

        def observe(number: int, block: Callable[[Array], Array], x: Array) -> Array:
            y = block(x)
            if number == last:
                found.append(y)
                y = y if shift is None else y + shift
            return y

        with changed(model, block=observe):
            found_logits = logits(model, variables, images)
        return jnp.take_along_axis(found_logits, classes[:, None], axis=1).sum(), found[0]

    # The gradient by a zero that is added to the activations equals the gradient by them.
    shape = jax.eval_shape(lambda: logit(None)[1])
    gradients, activations = jax.grad(logit, has_aux=True)(jnp.zeros(shape.shape, shape.dtype))
    maps = weighted_activations(activations, gradients)
    return maps / jnp.maximum(maps.max(axis=(1, 2), keepdims=True), jnp.finfo(maps.dtype).tiny)


def occlusion(
    probability: Callable[[Array], Array], image: Float[Array, "h w c"], *, cells: int = 7
) -> Map:
    """How much the probability falls when a square of the mean colour covers a place of the image.

    Zeiler & Fergus, arXiv 1311.2901, section 4.2. Squares are 2 / (cells + 1) of the side and
    overlap by half; a position's value is the mean over the squares that cover it.

    Args:
      probability: (normalised images) -> probability of the class in question.
      image: normalised, so that zero is the mean colour.
      cells: squares in a row.
    """
    height, width = image.shape[:2]
    down, right = (
        np.linspace(0, side - _side(side, cells), cells).round().astype(int)
        for side in (height, width)
    )
    covers = np.zeros((cells * cells, height, width), bool)
    for number, (top, left) in enumerate((top, left) for top in down for left in right):
        covers[number, top : top + _side(height, cells), left : left + _side(width, cells)] = True
    covered = jnp.where(covers[..., None], 0.0, image[None])
    drops = float(probability(image[None])[0]) - np.asarray(probability(covered), np.float64)
    return (covers * drops[:, None, None]).sum(axis=0) / np.maximum(covers.sum(axis=0), 1)


def _side(side: int, cells: int) -> int:
    return max(1, -(-2 * side // (cells + 1)))
