"""How photographs of any size become batches: the crops of training, the views of evaluation.

The fields of the records are keys of the configuration's section `data`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from resnet_jax.data.changes.lighting import Lighting
from resnet_jax.data.changes.policies import POLICIES, ChangedCrop, Jitter
from resnet_jax.data.images.crops import FILTERS, RandomCrop, scaled_crop
from resnet_jax.data.images.encoded import EncodedSet
from resnet_jax.data.images.resizing import resizing
from resnet_jax.data.images.views import KINDS, Views, views
from resnet_jax.data.stream import StreamedData
from resnet_jax.runtime import core_count
from resnet_jax.tables import Choice, annotations_of, options_of
from resnet_jax.tables.constraints import Among, Interval, Rising
from resnet_jax.tables.domains import NonNegative, Pixels, Probability, Share

RANDOM_CROP = RandomCrop()
Aspect = Annotated[float, Interval(1e-3, 1e3)]
Turns = Annotated[float, Interval(0, 0.5)]
Workers = Annotated[int, Interval(0, 1_024)]


@dataclass(frozen=True)
class TrainingCrops:
    """How training crops and changes a photograph.

    Attributes:
      crop_area: least and most share of the image that a crop shows; see crops.RandomCrop.
      crop_aspect: least and most width / height of a crop.
      short_side: least and most short side, pixels, that an image is scaled to before a crop of a
        fixed size (see crops.ScaledCrop); None is RandomCrop.
      policy: a row of policies.POLICIES.
      jitter: most change of brightness, contrast, saturation and hue; see policies.Jitter.
      lighting: deviation of shifts along principal colours; see lighting.Lighting.
      first_size: pixels of a side in the first step, where images grow; see resizing.resizing.
      growth: the start and the end of the growth, as fractions of the run.
    """

    crop_area: Annotated[tuple[Share, Share], Rising()] = RANDOM_CROP.area
    crop_aspect: Annotated[tuple[Aspect, Aspect], Rising()] = RANDOM_CROP.aspect
    short_side: Annotated[tuple[Pixels, Pixels], Rising()] | None = None
    policy: Choice = "none"
    jitter: tuple[Probability, Probability, Probability, Turns] | None = None
    lighting: NonNegative | None = None
    first_size: Pixels | None = None
    growth: Annotated[tuple[Probability, Probability], Rising(strictly=True)] = (0.0, 1.0)

    def transform(self, image_size: int) -> ChangedCrop:
        """The function from a file's content to pixels, see chunks.TrainTransform."""
        changes = (
            POLICIES.choose(self.policy)(),
            Jitter(*self.jitter) if self.jitter else None,
            Lighting(self.lighting) if self.lighting else None,
        )
        crop: Any = RandomCrop(self.crop_area, self.crop_aspect)
        if self.short_side:
            crop = scaled_crop(self.short_side, image_size)
        return ChangedCrop(crop, tuple(filter(None, changes)))


@dataclass(frozen=True)
class EvaluationViews:
    """The views of a photograph that evaluation uses.

    Attributes:
      eval_size: pixels of a side; None is the training images' size.
      crop_ratio: `eval_size` as a share of the short side of the resized image, which is rounded
        down.
      interpolation: bilinear or bicubic.
      eval_views: a row of views: centre, mirrored, mirrored_shifted, ten. Images of one size take
        it too, but ten.
      eval_scales: short sides, pixels, in place of `crop_ratio`; each scale gives views. None among
        them keeps the image's own size; see views.Views.
    """

    eval_size: Pixels | None = None
    crop_ratio: Share = 0.875
    interpolation: Annotated[str, Among(FILTERS)] = "bilinear"
    eval_views: Annotated[str, Among(KINDS)] = "centre"
    eval_scales: tuple[Pixels | None, ...] | None = None

    def transform(self, image_size: int) -> Views:
        """The function from an image to its views, see chunks.EvalTransform.

        Args:
          image_size: pixels of a side of the training images.
        """
        return views(
            self.eval_size or image_size,
            self.crop_ratio,
            self.eval_views,
            self.eval_scales,
            self.interpolation,
        )


def streamed(
    examples: EncodedSet,
    *,
    image_size: int,
    steps: int,
    workers: Workers | None = None,
    **options: Any,
) -> StreamedData:
    """Streams a set with random crops in training and chosen views in evaluation.

    Args:
      image_size: pixels of a side of the training images.
      steps: updates in the whole run, of which `growth` is a fraction.
      workers: processes that decode; 0: this one decodes; None: one for each core.
      options: fields of TrainingCrops and EvaluationViews, and arguments of StreamedData.
    """
    keys = {key: options.pop(key) for key in KEYS if key in options}
    training = _of_keys(TrainingCrops, keys)
    sizes = resizing(training.first_size, image_size, training.growth, steps)
    return StreamedData(
        examples,
        train_transform=training.transform(image_size),
        eval_transform=evaluation_views(image_size, keys),
        sizes=sizes,
        workers=core_count() if workers is None else workers,
        **options,
    )


def evaluation_views(image_size: int, keys: Mapping[str, Any]) -> Views:
    """The views of a photograph; `keys` are those of KEYS that a configuration sets."""
    return _of_keys(EvaluationViews, keys).transform(image_size)


# The keys that `streamed` takes, and their domains.
KEYS = {
    key: annotations_of(part)[key]
    for part in (TrainingCrops, EvaluationViews, streamed)
    for key in options_of(part)
}


def _of_keys(record: Any, keys: Mapping[str, Any]) -> Any:
    return record(**{key: value for key, value in keys.items() if key in options_of(record)})
