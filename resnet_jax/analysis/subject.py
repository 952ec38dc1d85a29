"""The network and the examples that an analysis studies, and how it evaluates them."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32

from resnet_jax.data.contract import Batch
from resnet_jax.data.order import Indices, eval_indices
from resnet_jax.models.resnet import ResNet
from resnet_jax.models.scan import initial, unstack_blocks
from resnet_jax.training import parallel
from resnet_jax.training.evaluation import Evaluator, Logits

Tree = Any


class Examples(NamedTuple):
    """Images as the network takes them, and their classes; see data.contract.EvalData."""

    images: Float[np.ndarray, "examples height width channels"]
    labels: Int32[np.ndarray, "examples"]

    @property
    def arrays(self) -> Tree:
        """All images and labels, which the evaluator puts on the devices."""
        return self._asdict()

    @property
    def examples(self) -> int:
        """Their number."""
        return len(self.labels)

    def eval_picks(self, batch_size: int, multiple: int) -> Iterator[Indices]:
        return eval_indices(self.examples, batch_size, multiple)

    def eval_batch(self, arrays: Tree, picks: Any) -> Batch:
        return Batch(arrays["images"][picks.indices], arrays["labels"][picks.indices], picks.mask)

    def batches(self, size: int) -> Iterator["Examples"]:
        """Yields the examples, `size` at a time; the last time there may be fewer."""
        for start in range(0, len(self.labels), size):
            yield Examples(*(array[start : start + size] for array in self))


class Subject(NamedTuple):
    """A network under study, with what it was trained on.

    Attributes:
      model: unrolled, as `variables` are.
      examples: (split, count) -> the first `count` examples of 'train' or 'test', not augmented;
        None: all.
      mean, std: of each channel, by which pixels were normalised.
      checkpoints: variables by step, each read when called.
      name: what the test example of a number is called, as the path of its file.
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
    name: Callable[[int], str] = "test image {:,}".format


def initial_variables(model: ResNet, image_shape: tuple[int, int, int], seed: int) -> Tree:
    """Variables before the first update, as a run of this seed draws them, unrolled.

    What a run takes from its images (`model.stem=whitening`) or from a file is drawn here too.
    """
    draw = jax.jit(partial(initial, model), compiler_options=run_once())
    return unstack_blocks(draw(jax.random.key(seed), jnp.zeros((1, *image_shape))))


def run_once() -> dict[str, int] | None:
    """Compiler options for a function that runs once: on CPU, optimising it takes too long."""
    return {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None


def logits(model: ResNet, variables: Tree, images: Array) -> Array:
    """The network's logits in evaluation."""
    return cast(Array, model.apply(variables, images, train=False))


def evaluator(logits: Logits, examples: Examples, batch_size: int = 500) -> Evaluator:
    """Returns an evaluator of the examples, which uses all devices."""
    return Evaluator(logits, examples, batch_size, parallel.make_mesh())
