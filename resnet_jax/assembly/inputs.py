"""The data that a configuration describes."""

from functools import cached_property
from typing import Any

from ml_collections import ConfigDict

from resnet_jax.data.augment import Augmentation
from resnet_jax.data.resident import ResidentData
from resnet_jax.data.sources import SOURCES, Source
from resnet_jax.tables import configure


class Inputs:
    """The source of `config.data` and its two splits, each made when first asked for.

    Args:
      dtype: of the images in a batch.
      shard: (index, count) of this process among those that share every batch.

    Raises:
      UserError: on the first use of what it describes wrongly.
    """

    def __init__(self, config: ConfigDict, dtype: Any, shard: tuple[int, int]):
        self._config, self._dtype, self._shard = config, dtype, shard

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
        return configure(SOURCES, data.source, "data.source", options)()

    @cached_property
    def train_data(self) -> ResidentData:
        data = self._config.data
        augmentation = Augmentation(pad=data.pad, flip=data.flip, cutout=data.cutout)
        return self._resident(data.train_split, augmentation)

    @cached_property
    def eval_data(self) -> ResidentData:
        return self._resident(self._config.data.eval_split, None)

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

    def _resident(self, split: str, augmentation: Augmentation | None) -> ResidentData:
        return ResidentData(
            self.source.load(split),
            **self._normalisation,
            augmentation=augmentation,
            dtype=self._dtype,
            shard=self._shard,
        )
