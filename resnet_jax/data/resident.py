"""Data sets that live on the devices: a step is sent the numbers of its examples, not the pixels.

The examples of step k are a pure function of (seed, k). A run reads an endless stream: one
permutation of the training set after another, cut into batches, so a batch may span two epochs and
none is short.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from resnet_jax.data.changes.augment import Augmentation, normalise
from resnet_jax.data.contract import Batch
from resnet_jax.data.images.views import KINDS, Kind
from resnet_jax.data.order import Indices, eval_indices, flipped, repeated, shard_rows
from resnet_jax.data.sources.decoded import ImageSet
from resnet_jax.tables import UserError, choose


class ResidentData:
    """One split of a data set, whole on every device; see contract.Data.

    Args:
      image_set: the examples.
      mean, std: of each channel, on the scale of [0, 1].
      augmentation: applied to training batches.
      dtype: of the images in a batch.
      repeats: see order.repeated.
      shard: see order.shard_rows.
      views: what evaluation shows of each image, of those rows of views.KINDS that leave out no
        part of it: all but crops of corners.

    Attributes:
      arrays: all images and labels.
      size_changes: none; all images have one size.
    """

    size_changes: Sequence[int] = ()

    def __init__(
        self,
        image_set: ImageSet,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        augmentation: Augmentation | None = None,
        dtype: Any = jnp.float32,
        shard: tuple[int, int] = (0, 1),
        repeats: int = 1,
        views: str = "centre",
    ):
        self._kind = choose(KINDS, views, "data.eval_views")
        if self._kind.corners:
            whole = ", ".join(name for name, kind in KINDS.items() if not kind.corners)
            raise UserError(
                f"data.eval_views={views} crops corners of photographs, and images of one size are"
                f" shown whole: set it to one of {whole}"
            )
        self._shard, self._repeats = shard, repeats
        self.examples = len(image_set.labels)
        self.arrays = {"images": image_set.images, "labels": image_set.labels}
        self._augmentation = augmentation or Augmentation()
        self._normalisation = {"mean": mean, "std": std, "dtype": dtype}

    def name(self, index: int) -> str:
        """What an example is called."""
        return f"image {index:,} of the set"

    def train_picks(self, seed: int, step: int, batch_size: int) -> Indices:
        """Returns the numbers of this process's examples in the batch of step `step`."""
        rows = shard_rows(self._shard, batch_size)
        start = step * batch_size + rows.start
        place = seed, start, len(rows), self.examples, self._repeats
        alternating = self._augmentation.alternating
        sides = flipped(*place) if alternating else None
        return Indices(repeated(*place), np.ones(len(rows), bool), sides)

    def eval_picks(self, batch_size: int, multiple: int = 1) -> Iterator[Indices]:
        """See contract.EvalData."""
        return eval_indices(self.examples, batch_size, multiple, self._shard)

    def train_batch(self, arrays: dict[str, Array], picks: Any, key: Array) -> Batch:
        """Inside a step: gathers and augments the picked examples."""
        batch = self._gathered(arrays, picks)
        return batch._replace(images=self._augmentation(key, batch.images, picks.flipped))

    def eval_batch(self, arrays: dict[str, Array], picks: Any) -> Batch:
        """Inside a step: gathers the picked examples, and makes the views of each."""
        batch = self._gathered(arrays, picks)
        return batch._replace(images=stacked(batch.images, self._kind))

    def _gathered(self, arrays: dict[str, Array], picks: Any) -> Batch:
        images = normalise(arrays["images"][picks.indices], **self._normalisation)
        return Batch(images, arrays["labels"][picks.indices], picks.mask)


def stacked(
    images: Float[Array, "batch height width channels"], kind: Kind
) -> Float[Array, "batch *views height width channels"]:
    """The views of whole images, in the order of views.Views; the image itself where it is one."""
    if kind.crops == 1:
        return images
    _, height, width, _ = images.shape
    edges = (kind.shift, kind.shift)
    padded = jnp.pad(images, ((0, 0), edges, edges, (0, 0)), "reflect")
    starts = [kind.shift + by for by in kind.shifts]
    crops = [padded[:, start : start + height, start : start + width] for start in starts]
    mirrored = [crop[:, :, ::-1] for crop in crops] if kind.mirrored else []
    return jnp.stack(crops + mirrored, axis=1)
