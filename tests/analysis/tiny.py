"""Tiny networks that several analyses are tested on."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from resnet_jax.analysis.subject import Examples, Subject
from resnet_jax.models.building import resnet

SHAPE = (8, 8, 3)
NAMES = ("ant", "bee", "cat")
MEAN, STD = (0.05, 0.1, 0.0), (0.2, 0.25, 0.5)
BLOCKS = ["stage1/block1", "stage1/block2", "stage1/block3", "stage2/block1"]


def network(**changes):
    options = {"family": "cifar", "classes": 3, "stage_depths": (2, 2), "widths": (4, 8),
               "stem_width": 4, "shortcut": "A", **changes}  # fmt: skip
    return resnet(**options)


def variables_of(model, seed=0, shape=SHAPE):
    """Variables as large as initial ones, of which no scale, bias or mean is trivial.

    They are drawn by their names, so that nothing is compiled.
    """
    draw = np.random.default_rng(seed)

    def drawn(path: Any, leaf: Any) -> jax.Array:
        name = path[-1].key
        if name == "kernel":
            values = draw.standard_normal(leaf.shape) * np.sqrt(2 / np.prod(leaf.shape[:-1]))
        else:
            values = (name in ("scale", "var")) + 0.1 * draw.random(leaf.shape)
        return jnp.asarray(values, leaf.dtype)

    return jax.tree_util.tree_map_with_path(drawn, abstract_variables(model, shape))


def abstract_variables(model, shape=SHAPE):
    image = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    return jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), image)


def examples() -> Examples:
    draw = np.random.default_rng(0)
    images = draw.standard_normal((6, *SHAPE)).astype(np.float32)
    return Examples(images, np.array([0, 1, 2, 0, 1, 2], np.int32))


def taps(model, matrices: Sequence[np.ndarray], head: np.ndarray | None = None):
    """Variables of a network without norms whose branches multiply each position by a matrix.

    All values of a kernel but those at its centre are zero, and no value of a matrix is below zero:
    so of images that are not negative either, no ReLU takes anything away, and the logits are
    `Linear.logits`.

    Args:
      matrices: of the branches, from the stem to the head, [features, features].
      head: kernel of the head, [features, classes]; by default some numbers of both signs.
    """
    waiting = iter(matrices)

    def tapped(path: Any, leaf: Any) -> jax.Array:
        keys = [key.key for key in path]
        values = np.zeros(leaf.shape, np.float32)
        if keys[-1] == "kernel" and "head" in keys:
            values[:] = np.random.default_rng(9).normal(size=leaf.shape) if head is None else head
        elif keys[-1] == "kernel":
            values[1, 1] = next(waiting) if "conv1" in keys else np.eye(*leaf.shape[2:])
        return jnp.asarray(values)

    return jax.tree_util.tree_map_with_path(tapped, abstract_variables(model))


class Linear:
    """A network without norms whose every answer is a product of matrices; see `taps`.

    Its last block halves the image: only every second pixel reaches the logits.

    Args:
      shortcut: 'A', or 'none' for the plain network.
    """

    def __init__(self, seed: int, shortcut: str = "A"):
        draw = np.random.default_rng(seed)
        self.residual = shortcut != "none"
        self.model = network(
            norm="none", stage_depths=(3, 1), widths=(3, 3), stem_width=3, shortcut=shortcut
        )
        # Each feature goes to one other, so that colours stay different down to the logits.
        self.matrices = [np.diag(draw.uniform(0.3, 1.2, 3))[draw.permutation(3)] for _ in range(4)]
        images = {"train": coloured(20, seed=1), "test": coloured(30, seed=2)}
        features = self.signals(np.concatenate(list(images.values())))[-1].mean(axis=(1, 2))
        # Of the mean colour every logit is zero: no class is right of all images.
        mean = features.mean(axis=0)
        self.head = draw.normal(size=(3, 3)) * 3 / features.std()
        self.head -= np.outer(mean, mean @ self.head) / (mean @ mean)
        self.variables = taps(self.model, self.matrices, self.head)
        self.splits = {name: self._labelled(array, draw) for name, array in images.items()}

    def _labelled(self, images: np.ndarray, draw: np.random.Generator) -> Examples:
        """Examples of which the network gets three of four right."""
        guesses = self.logits(images).argmax(axis=1)
        wrong = draw.random(len(images)) < 0.25
        return Examples(images, np.where(wrong, (guesses + 1) % 3, guesses).astype(np.int32))

    def subject(self, **changes: Any) -> Subject:
        def of_split(split: str, count: int | None) -> Examples:
            return Examples(*(array[:count] for array in self.splits[split]))

        return Subject(self.model, self.variables, of_split, NAMES, SHAPE, MEAN, STD, **changes)

    def signals(self, images: np.ndarray, order: Sequence[int] = (0, 1, 2, 3)) -> list[np.ndarray]:
        """Outputs of the blocks, those that `order` names, one after another."""
        found, x = [], np.asarray(images, np.float64)
        for number in order:
            x = x[:, ::2, ::2] if number == 3 else x
            x = x @ self.matrices[number] + (x if self.residual else 0)
            found.append(x)
        return found

    def logits(self, images: np.ndarray, kept: Sequence[int] = (0, 1, 2, 3)) -> np.ndarray:
        """Without the branches of some blocks, or with the blocks in another order."""
        x = self.signals(images, kept)[-1] if kept else np.asarray(images, np.float64)
        return (x if 3 in kept else x[:, ::2, ::2]).mean(axis=(1, 2)) @ self.head

    def losses(self, split: str, **choices: Any) -> np.ndarray:
        images, labels = self.splits[split]
        return cross_entropies(self.logits(images, **choices), labels)

    def top1(self, split: str, **choices: Any) -> float:
        images, labels = self.splits[split]
        return float((self.logits(images, **choices).argmax(axis=1) == labels).mean())


def cross_entropies(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -logs[np.arange(len(labels)), labels]


def coloured(count: int, seed: int) -> np.ndarray:
    """Images of whole pixels that are not negative when normalised, each of a colour of its own."""
    draw = np.random.default_rng(seed)
    pixels = draw.uniform(26, 255, (count, 1, 1, 3)) * draw.uniform(0.7, 1, (count, *SHAPE))
    pixels = np.maximum(pixels.round(), 26)
    return ((pixels / 255 - np.array(MEAN)) / np.array(STD)).astype(np.float32)


def alignment(x: np.ndarray, y: np.ndarray) -> float:
    """Linear CKA of features, from the unbiased HSIC (Song et al., JMLR 13, 2012, equation 5)."""

    def hsic(one: np.ndarray, other: np.ndarray) -> float:
        n = len(one)
        whole = one.sum() * other.sum() / ((n - 1) * (n - 2))
        return np.trace(one @ other) + whole - 2 / (n - 2) * (one @ other).sum()

    flat = [array.reshape(len(array), -1).astype(np.float64) for array in (x, y)]
    one, other = (features @ features.T * (1 - np.eye(len(features))) for features in flat)
    return hsic(one, other) / np.sqrt(hsic(one, one) * hsic(other, other))
