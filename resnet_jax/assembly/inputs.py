"""The data that a configuration describes."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from ml_collections import ConfigDict

from resnet_jax.data.augment import Augmentation
from resnet_jax.data.decoded import ImageSet
from resnet_jax.data.resident import ResidentData
from resnet_jax.data.sources import SOURCES, Source
from resnet_jax.data.stream import StreamedData, streamed
from resnet_jax.tables import configure, options_of

# What becomes of a split that a source has read into memory, and of one that it has opened.
KINDS: dict[str, Callable[..., Any]] = {"resident": ResidentData, "streamed": streamed}


class Inputs:
    """The source of `config.data` and its two splits, each made when first asked for.

    Args:
      dtype: of the images in a batch.

    Raises:
      UserError: on the first use of what it describes wrongly.
    """

    def __init__(self, config: ConfigDict, dtype: Any):
        self._config, self._dtype = config, dtype

    @cached_property
    def source(self) -> Source:
        data = self._config.data
        options = {
            "name": data.name,
            "dir": data.dir,
            "image_size": data.image_size,
            "classes": data.classes,
            "examples": data.examples,
        }
        row = configure(SOURCES, data.source, "data.source", options)
        if "splits" in options_of(row):
            return row(splits=(self._train_split, self._eval_split))
        return row()

    @cached_property
    def _train_split(self) -> str:
        return self._config.data.train_split

    @cached_property
    def _eval_split(self) -> str:
        return self._config.data.eval_split

    @cached_property
    def train_data(self) -> ResidentData | StreamedData:
        data = self._config.data
        augmentation = Augmentation(
            pad=data.pad, flip=data.flip, cutout=data.cutout, erase=data.erase
        )
        return self._data(self._train_split, augmentation)

    @cached_property
    def eval_data(self) -> ResidentData | StreamedData:
        return self._data(self._eval_split, None)

    def preprocessing(self) -> dict:
        """What an image goes through first: scaled, mean subtracted, divided by std."""
        height, width, channels = self.source.image_shape
        return {
            "layout": "NHWC",
            "image_shape": [height, width, channels],
            "scale": 1 / 255,
            **self._normalisation,
            "classes": list(self.source.class_names),
        }

    @cached_property
    def _normalisation(self) -> dict[str, tuple[float, ...]]:
        data = self._config.data
        return {"mean": data.mean, "std": data.std}

    def _data(self, split: str, augmentation: Augmentation | None) -> ResidentData | StreamedData:
        data, examples = self._config.data, self.source.load(split)
        options = {
            "crop_area": data.crop_area,
            "crop_aspect": data.crop_aspect,
            "policy": data.policy,
            "policy_operations": data.policy_operations,
            "policy_magnitude": data.policy_magnitude,
            "jitter": data.jitter,
            "eval_size": data.eval_size,
            "crop_ratio": data.crop_ratio,
            "interpolation": data.interpolation,
            "repeats": data.repeats,
            "workers": data.workers,
        }
        resident = isinstance(examples, ImageSet)
        make = configure(KINDS, "resident" if resident else "streamed", "data", options)
        size = {} if resident else {"image_size": self.source.image_shape[0]}
        return make(
            examples,
            **size,
            **self._normalisation,
            augmentation=augmentation,
            dtype=self._dtype,
        )
