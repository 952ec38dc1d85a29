"""The data that a configuration describes."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from ml_collections import ConfigDict

from resnet_jax.data.changes.augment import Augmentation
from resnet_jax.data.images.encoded import EncodedSet
from resnet_jax.data.resident import ResidentData
from resnet_jax.data.sources.benchmarks import Benchmark, Trained, open_benchmarks
from resnet_jax.data.sources.catalogue import SOURCES, Source
from resnet_jax.data.sources.decoded import ImageSet
from resnet_jax.data.stream import StreamedData, streamed
from resnet_jax.tables import UserError, configure, options_of

# What becomes of a split that a source has read into memory, and of one that it has opened.
KINDS: dict[str, Callable[..., Any]] = {"resident": ResidentData, "streamed": streamed}


class Inputs:
    """The source of `config.data` and its two splits, each made when first asked for.

    Args:
      dtype: of the images in a batch.
      shard: (index, count) of this process among those that share every batch.
      steps: updates in a run, from the number of examples in its training set.

    Raises:
      UserError: on the first use of what it describes wrongly.
    """

    def __init__(
        self,
        config: ConfigDict,
        dtype: Any,
        shard: tuple[int, int],
        steps: Callable[[int], int],
    ):
        self._config, self._dtype, self._shard, self._steps = config, dtype, shard, steps

    @cached_property
    def source(self) -> Source:
        data = self._config.data
        options = {
            "name": data.name,
            "dir": self._dir,
            "image_size": data.image_size,
            "classes": data.classes,
            "examples": data.examples,
        }
        row = configure(SOURCES, data.source, "data.source", options)
        if "splits" in options_of(row):
            return row(splits=(self._train_split, self._eval_split))
        return row()

    @cached_property
    def _dir(self) -> str | None:
        return self._config.data.dir

    @cached_property
    def _train_split(self) -> str:
        return self._config.data.train_split

    @cached_property
    def _eval_split(self) -> str:
        return self._config.data.eval_split

    @cached_property
    def repeats(self) -> int:
        """Times that training meets an example in a row."""
        return self._config.data.repeats

    @cached_property
    def train_data(self) -> ResidentData | StreamedData:
        data = self._config.data
        augmentation = Augmentation(
            pad=data.pad, flip=data.flip, cutout=data.cutout, erase=data.erase
        )
        return self._data(self.source.load(self._train_split), augmentation)

    @cached_property
    def eval_data(self) -> ResidentData | StreamedData:
        return self._data(self._eval_examples, None)

    @cached_property
    def _eval_examples(self) -> ImageSet | EncodedSet:
        return self.source.load(self._eval_split)

    def benchmarks(self, where: Mapping[str, str]) -> list[Benchmark]:
        """Other test sets, see data.benchmarks.open_benchmarks.

        Raises:
          UserError: one is not there, or the run's data are no photographs.
        """
        if isinstance(self._eval_examples, ImageSet):
            raise UserError(
                "other test sets are for networks of photographs: give a run or a configuration of"
                " ImageNet"
            )
        trained = Trained(self.source.class_names, self._eval_examples, self._dir or "")
        return open_benchmarks(where, trained)

    def benchmark_data(self, benchmark: Benchmark) -> ResidentData | StreamedData:
        """A test set as evaluation reads it: the same views as the run's own."""
        return self._data(benchmark.examples, None)

    def preprocessing(self) -> dict:
        """What an image of evaluation goes through: cropped, scaled, mean subtracted, over std.

        Where the crop is None it is left to data.pictures.read_picture.
        """
        crop = dict(self._eval_crop)
        size = crop.pop("eval_size")
        height, width, channels = self.source.image_shape
        return {
            "layout": "NHWC",
            "image_shape": [size or height, size or width, channels],
            **crop,
            "scale": 1 / 255,
            **self._normalisation,
            "classes": list(self.source.class_names),
        }

    @cached_property
    def _eval_crop(self) -> dict[str, Any]:
        data = self._config.data
        return {
            "eval_size": data.eval_size,
            "crop_ratio": data.crop_ratio,
            "interpolation": data.interpolation,
        }

    @cached_property
    def _normalisation(self) -> dict[str, tuple[float, ...]]:
        data = self._config.data
        return {"mean": data.mean, "std": data.std}

    def _data(
        self, examples: ImageSet | EncodedSet, augmentation: Augmentation | None
    ) -> ResidentData | StreamedData:
        data = self._config.data
        options = {
            "crop_area": data.crop_area,
            "crop_aspect": data.crop_aspect,
            "short_side": data.short_side,
            "policy": data.policy,
            "policy_operations": data.policy_operations,
            "policy_magnitude": data.policy_magnitude,
            "jitter": data.jitter,
            **self._eval_crop,
            "eval_views": data.eval_views,
            "eval_scales": data.eval_scales,
            "first_size": data.first_size,
            "growth": data.growth,
            "workers": data.workers,
        }
        resident = isinstance(examples, ImageSet)
        make = configure(KINDS, "resident" if resident else "streamed", "data", options)
        of_photographs = (
            {}
            if resident
            else {
                "image_size": self.source.image_shape[0],
                "steps": self._steps(len(examples)),
            }
        )
        return make(
            examples,
            **of_photographs,
            **self._normalisation,
            augmentation=augmentation,
            dtype=self._dtype,
            shard=self._shard,
            repeats=self.repeats,
        )
