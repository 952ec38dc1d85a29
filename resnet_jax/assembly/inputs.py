"""The data that a configuration describes."""

from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict

from resnet_jax.assembly.checking import check_images
from resnet_jax.assembly.identity import DataFacts
from resnet_jax.data import photographs
from resnet_jax.data.changes.augment import AUGMENTATIONS, Augmentation, normalise
from resnet_jax.data.images.encoded import EncodedSet
from resnet_jax.data.images.modes import MEANING
from resnet_jax.data.images.views import Views, views
from resnet_jax.data.resident import ResidentData
from resnet_jax.data.sources import holdout as counts
from resnet_jax.data.sources.benchmarks import Benchmark, TrainingData, open_benchmarks
from resnet_jax.data.sources.catalogue import SOURCES, Source
from resnet_jax.data.sources.classes import with_classes
from resnet_jax.data.sources.decoded import ImageSet
from resnet_jax.data.stream import StreamedData
from resnet_jax.tables import UserError, configure, nearest, options_of, split


class Inputs:
    """The source of `config.data` and its two splits, each made when first asked for.

    Args:
      dtype: of the images in a batch.
      shard: (index, count) of this process among those that share every batch.
      steps: number of training examples -> updates in a run.
      known: what a run that has begun knows of its data; the source is then opened when a split of
        it is read.

    Raises:
      UserError: on the first use of something that the configuration describes wrongly.
    """

    def __init__(
        self,
        config: ConfigDict,
        dtype: Any,
        shard: tuple[int, int],
        steps: Callable[[int], int],
        known: DataFacts | None = None,
    ):
        self._config, self._dtype, self._shard, self._steps = config, dtype, shard, steps
        self._known = known

    @cached_property
    def source(self) -> Source:
        if self._known is None:
            return self._opened()
        return with_classes(self._opened, *self._known[:3])

    def _opened(self) -> Source:
        name, options = split(self._section["source"], SOURCES.what)
        taken = options_of(SOURCES.row(name))
        options |= {key: self._section[key] for key in taken if key in self._section}
        if "splits" in taken:
            options["splits"] = (self._section["train_split"], self._section["eval_split"])
        if "class_names" in taken and self._known is not None:
            options["class_names"] = self._known.class_names
        # Not as a choice, since sources have an option called `name`: the data set's name.
        source = configure(SOURCES.with_foreign(name), name, SOURCES.what, options)()
        check_images(self._section, source.image_shape)
        return source

    @cached_property
    def _section(self) -> dict[str, Any]:
        return self._config.data.to_dict()

    @cached_property
    def _keys(self) -> dict[str, Any]:
        """The keys of `data` that neither this class nor the source takes.

        Raises:
          UserError: nothing takes one of them.
        """
        name, _ = split(self._section["source"], SOURCES.what)
        taken = {*OWN, *options_of(SOURCES.row(name))}
        keys = {key: value for key, value in self._section.items() if key not in taken}
        keys = {key: value for key, value in keys.items() if value is not None}
        of_photographs = self.source.photographs
        of_images = set(photographs.KEYS) if of_photographs else {"eval_views"}
        valid = {*AUGMENTATIONS, "augment"} | of_images
        for key in keys:
            if key not in valid:
                raise UserError(_refusal(key, name, valid, of_photographs))
        return keys

    def facts(self) -> DataFacts:
        """What the run has to know of its data later, when they may be elsewhere."""
        source, examples = self.source, self.train_data.examples
        return DataFacts(source.class_names, source.image_shape, source.photographs, examples)

    @cached_property
    def repeats(self) -> int:
        """How often training repeats an example before the next one."""
        return self._section["repeats"]

    @cached_property
    def train_data(self) -> ResidentData | StreamedData:
        chosen = {key: self._keys[key] for key in (*AUGMENTATIONS, "augment") if key in self._keys}
        return self._data(self.source.load(self._section["train_split"]), Augmentation(**chosen))

    def first_images(self, count: int) -> Float[np.ndarray, "images height width channels"]:
        """The first training images, normalised and unchanged; all where there are fewer.

        Raises:
          UserError: the set holds photographs of any size.
        """
        examples = self.source.load(self._section["train_split"])
        if not isinstance(examples, ImageSet):
            raise UserError(
                "model.stem=whitening is made of training images of one size, and data.source has"
                " photographs: choose another model.stem, or start from a file of weights"
                " (init.weights)"
            )
        return np.asarray(
            normalise(
                jnp.asarray(examples.images[:count]), **self._normalisation, dtype=self._dtype
            )
        )

    @cached_property
    def eval_data(self) -> ResidentData | StreamedData:
        return self._data(self._eval_examples, None)

    @cached_property
    def _eval_examples(self) -> ImageSet | EncodedSet:
        return self.source.load(self._section["eval_split"])

    def held_out(self) -> str | None:
        """How many photographs of each class there are, where `data.holdout` divides them."""
        if not self._section.get("holdout"):
            return None
        names = self.source.class_names
        parts = (self._section["train_split"], self._section["eval_split"])
        return counts.described(names, *(self.source.load(part) for part in parts))

    def benchmarks(self, where: Mapping[str, str]) -> list[Benchmark]:
        """Other test sets, see data.sources.benchmarks.open_benchmarks.

        Raises:
          UserError: one is not there, or the run's data are no photographs.
        """
        if isinstance(self._eval_examples, ImageSet):
            raise UserError(
                "other test sets are for networks of photographs: give a run or a configuration of"
                " ImageNet"
            )
        folder = self._section.get("dir") or ""
        trained = TrainingData(self.source.class_names, self._eval_examples, folder)
        return open_benchmarks(where, trained)

    def benchmark_data(self, benchmark: Benchmark) -> ResidentData | StreamedData:
        """A test set as evaluation reads it: the same views as the run's own, or of crops."""
        as_stored = {"eval_scales": (None,)} if benchmark.cropped else {}
        return self._data(benchmark.examples, None, as_stored)

    @cached_property
    def views(self) -> Views:
        """The views of a picture whose predictions are averaged.

        A set whose images have one size is shown uncropped, so another picture is resized to it.
        """
        if self.source.photographs:
            return photographs.evaluation_views(self.source.image_shape[0], self._keys)
        return views(max(self.source.image_shape[:2]), crop_ratio=1.0, kind=self._kind_of_views)

    @cached_property
    def _kind_of_views(self) -> str:
        """Of images that have one size."""
        return self._keys.get("eval_views", "centre")

    @cached_property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images that evaluation shows."""
        channels = self.source.image_shape[2]
        size = self.views.size
        return (size, size, channels) if self.source.photographs else self.source.image_shape

    def preprocessing(self) -> dict:
        """How evaluation prepares an image: resize, crop, scale, subtract mean, divide by std.

        Of several views it averages what `average` names, with `view_weights` where these differ.
        """
        return {
            "layout": "NHWC",
            "pixels": MEANING,
            "short_sides": [
                f"its own, at least {self.views.size}" if scale is None else scale
                for scale in self.views.scales
            ],
            "interpolation": self.views.interpolation,
            "views": self.views.kind,
            **({"view_weights": self.views.weights} if self.views.weights else {}),
            "average": "logits" if self._config.eval.average_logits else "probabilities",
            "image_shape": list(self.image_shape),
            "scale": 1 / 255,
            **self._normalisation,
            "classes": list(self.source.class_names),
        }

    @cached_property
    def _normalisation(self) -> dict[str, tuple[float, ...]]:
        return {"mean": self._section["mean"], "std": self._section["std"]}

    def _data(
        self,
        examples: ImageSet | EncodedSet,
        augmentation: Augmentation | None,
        changes: Mapping[str, Any] = MappingProxyType({}),
    ) -> ResidentData | StreamedData:
        """The data of these examples; `changes` are of photographs' keys."""
        options = {
            **self._normalisation,
            "augmentation": augmentation,
            "dtype": self._dtype,
            "shard": self._shard,
            "repeats": self.repeats,
        }
        resident = isinstance(examples, ImageSet)
        if resident == self.source.photographs:
            raise UserError(
                f"data.source '{self._section['source']}' loads {type(examples).__name__} and says"
                f" photographs={self.source.photographs}: return Source(..., photographs="
                f"{not resident})"
            )
        if isinstance(examples, ImageSet):
            kind = self._kind_of_views if augmentation is None else "centre"
            return ResidentData(examples, views=kind, **options)
        return photographs.streamed(
            examples,
            image_size=self.source.image_shape[0],
            steps=self._steps(len(examples)),
            **{key: self._keys[key] for key in photographs.KEYS.keys() & self._keys.keys()},
            **changes,
            **options,
        )


# Keys of the section that this module reads.
OWN = ("source", "train_split", "eval_split", "mean", "std", "repeats")


def _refusal(key: str, source: str, valid: set[str], of_photographs: bool) -> str:
    takers = [name for name, row in SOURCES.items() if key in options_of(row)]
    if takers:
        why = f"leave it unset, or choose a data.source that takes it: {', '.join(takers)}"
    elif key in photographs.KEYS and not of_photographs:
        why = "leave it unset: it is for photographs, and the images of this set have one size"
    else:
        why = f"valid beside the source's own options: {', '.join(sorted(valid))}"
    return f"data.source '{source}' takes no {key}{nearest(key, valid)}: {why}"
