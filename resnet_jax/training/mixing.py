"""Mixes each image of a batch with another one, inside the step: mixup and CutMix.

Both are x w + x' (1 - w), where x' is another image of the batch and w is a weight for each pixel.
Batches are shuffled, so any partner is as good as another, and a near one is mostly on the same
device. Mixup has one weight for all pixels; CutMix has 0 in a box and 1 around it. The target
is mixed by the mean weight.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import one_hot
from jaxtyping import Array, Bool, Float, Int32

from resnet_jax.data.contract import Batch

Weights = Float[Array, "draws height width 1"]


class MixedBatch(NamedTuple):
    """A batch in which each image is mixed from two.

    Attributes:
      labels: class of the image with the larger share; metrics count this class as right.
      others: class of the other image.
      share: of the target that belongs to `labels`, at least 1/2.
    """

    images: Float[Array, "batch height width channels"]
    labels: Int32[Array, "batch"]
    mask: Bool[Array, "batch"]
    others: Int32[Array, "batch"]
    share: Float[Array, "batch"]


class Mixing(NamedTuple):
    """How often batches are mixed, and how.

    Attributes:
      mixup: a of the Beta(a, a) that weights come from (Zhang et al., arXiv 1710.09412); 0: off.
      cutmix: a of the Beta(a, a) that areas come from (Yun et al., arXiv 1905.04899); 0: off.
      switch: probability of CutMix where both are on.
      probability: that anything is mixed.
      per_example: draw all of this for each example and not once for a batch, over all devices.
        timm and torchvision draw once for each GPU's share of a batch.
      distance: rows from an image back to its partner in the batch; with repeated augmentation the
        number of repeats, so that no image is mixed with itself.
    """

    mixup: float = 0.0
    cutmix: float = 0.0
    switch: float = 0.5
    probability: float = 1.0
    per_example: bool = False
    distance: int = 1

    def __call__(self, key: Array, batch: Batch) -> MixedBatch:
        examples, height, width, _ = batch.images.shape
        weights = self.weights(key, examples if self.per_example else 1, height, width)
        return mixed(batch, weights, self.distance)

    def weights(self, key: Array, draws: int, height: int, width: int) -> Weights:
        """Draws this many maps of the first image's weight."""
        cut_key, share_key, centre_key, mixed_key = jax.random.split(key, 4)
        cut = jax.random.bernoulli(cut_key, self._cutmix_probability, (draws,))
        alpha = jnp.where(cut, self.cutmix, self.mixup)
        share = jax.random.beta(share_key, alpha, alpha)
        size = jnp.array([[height, width]])
        centres = jax.random.randint(centre_key, (draws, 2), 0, size, jnp.int32)
        is_mixed = jax.random.bernoulli(mixed_key, self.probability, (draws,))
        cut, is_mixed, of_all_pixels = (
            drawn.reshape(draws, 1, 1, 1) for drawn in (cut, is_mixed, share)
        )
        weights = jnp.where(cut, outside_boxes(share, centres, height, width), of_all_pixels)
        return jnp.where(is_mixed, weights, 1)

    @property
    def _cutmix_probability(self) -> float:
        return self.switch if self.mixup and self.cutmix else float(self.cutmix > 0)


def outside_boxes(
    share: Float[Array, "draws"], centres: Int32[Array, "draws 2"], height: int, width: int
) -> Weights:
    """0 in a box around the centre, of `1 - share` of the area before the edges cut it; else 1.

    Its sides are those of the image times sqrt(1 - share), rounded down (arXiv 1905.04899, eq. 2).
    """
    size = jnp.array([[height, width]], jnp.float32)
    sides = jnp.floor(jnp.sqrt(1 - share)[:, None] * size).astype(jnp.int32)
    start = centres - sides // 2
    rows, columns = jnp.arange(height)[None], jnp.arange(width)[None]
    inside_rows = (rows >= start[:, :1]) & (rows < start[:, :1] + sides[:, :1])
    inside_columns = (columns >= start[:, 1:]) & (columns < start[:, 1:] + sides[:, 1:])
    inside = inside_rows[:, :, None] & inside_columns[:, None, :]
    return 1 - inside[..., None].astype(jnp.float32)


def mixed(batch: Batch, weights: Weights, distance: int = 1) -> MixedBatch:
    """Mixes each image with the one `distance` rows before it, the first ones with the last."""
    partners = jnp.roll(batch.images, distance, axis=0)
    images = batch.images * weights + partners * (1 - weights)
    own = jnp.broadcast_to(weights.mean((1, 2, 3)), batch.labels.shape)
    partner_labels = jnp.roll(batch.labels, distance)
    return MixedBatch(
        images=images.astype(batch.images.dtype),
        labels=jnp.where(own < 0.5, partner_labels, batch.labels),
        mask=batch.mask,
        others=jnp.where(own < 0.5, batch.labels, partner_labels),
        share=jnp.maximum(own, 1 - own),
    )


def shares(batch: Batch | MixedBatch, classes: int) -> Float[Array, "batch classes"]:
    """The target: 1 for an example's class, or the shares of the two classes that were mixed."""
    own = one_hot(batch.labels, classes)
    if not isinstance(batch, MixedBatch):
        return own
    share = batch.share[:, None]
    return share * own + (1 - share) * one_hot(batch.others, classes)
