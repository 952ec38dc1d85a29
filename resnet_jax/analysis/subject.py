"""What an analysis looks at, and a network's scores on a set of examples."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int32

from resnet_jax.models.resnet import ResNet
from resnet_jax.models.scan import unstack_blocks
from resnet_jax.training import metrics

Tree = Any


class Examples(NamedTuple):
    """Images as the network takes them, and their classes."""

    images: Float[np.ndarray, "examples height width channels"]
    labels: Int32[np.ndarray, "examples"]

    def batches(self, size: int) -> Iterator["Examples"]:
        for start in range(0, len(self.labels), size):
            yield Examples(*(array[start : start + size] for array in self))


class Subject(NamedTuple):
    """A network under study, with what it was trained on.

    Attributes:
      model: unrolled, as `variables` are.
      examples: (split, count) -> the first so many of 'train' or 'test', not augmented; count None
        is all.
      mean, std: of each channel, which made images of pixels.
      checkpoints: variables by step, each read when called.
    """

    model: ResNet
    variables: Tree
    examples: Callable[[str, int | None], Examples]
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    seed: int = 0
    checkpoints: Mapping[int, Callable[[], Tree]] = {}


def initial_variables(model: ResNet, image_shape: tuple[int, int, int], seed: int) -> Tree:
    """Variables of the unrolled layout before the first update, as a run of this seed draws them.

    They are drawn in the scanned layout, whose compile time does not grow with depth.
    """
    init = partial(model.clone(scan_blocks=True).init, train=False)
    image = jnp.zeros((1, *image_shape))
    return unstack_blocks(jax.jit(init, compiler_options=run_once())(jax.random.key(seed), image))


def run_once() -> dict[str, int] | None:
    """Options of the compiler for what runs once: XLA's for CPU takes longer than it saves."""
    return {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None


def logits(model: ResNet, variables: Tree, images: Array) -> Array:
    """Of the network as evaluated."""
    return cast(Array, model.apply(variables, images, train=False))


class Scores:
    """Mean loss and top-1 of a network on fixed examples, each batch split over the devices.

    Args:
      apply: (variables, images, *arguments) -> logits.
      batch_size: examples at once.
    """

    def __init__(self, apply: Callable[..., Array], examples: Examples, batch_size: int = 500):
        mesh = Mesh(np.array(jax.devices()), ("data",))
        split = NamedSharding(mesh, PartitionSpec("data"))
        # Every batch has the same size, so that one program serves all.
        size = min(batch_size, len(examples.labels))
        size = -(-size // mesh.size) * mesh.size
        self._batches = [
            jax.device_put(_filled(batch, size), split) for batch in examples.batches(size)
        ]

        @jax.jit
        def step(variables: Tree, batch: Any, *arguments: Any) -> metrics.Sums:
            images, labels, mask = batch
            return metrics.sums(apply(variables, images, *arguments), labels, mask)

        self._step = step

    def __call__(self, variables: Tree, *arguments: Any) -> dict[str, float | int]:
        """Returns {"examples", "loss", "top1", "top5"}."""
        sums = [self._step(variables, batch, *arguments) for batch in self._batches]
        return metrics.means(jax.device_get(sums))


def _filled(batch: Examples, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    count = len(batch.labels)
    places = np.minimum(np.arange(size), count - 1)
    return batch.images[places], batch.labels[places], np.arange(size) < count
