"""The data that a configuration describes."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from ml_collections import ConfigDict

from resnet_jax.data import photographs
from resnet_jax.data.changes.augment import AUGMENTATIONS, Augmentation
from resnet_jax.data.images.encoded import EncodedSet
from resnet_jax.data.resident import ResidentData
from resnet_jax.data.sources.benchmarks import Benchmark, TrainingData, open_benchmarks
from resnet_jax.data.sources.catalogue import SOURCES, Source
from resnet_jax.data.sources.decoded import ImageSet
from resnet_jax.data.stream import StreamedData
from resnet_jax.tables import UserError, configure, nearest, options_of, split


class Inputs:
    """The source of `config.data` and its two splits, each made when first asked for.

    Args:
      dtype: of the images in a batch.
      shard: (index, count) of this process among those that share every batch.
      steps: number of training examples -> updates in a run.

    Raises:
      UserError: on the first use of something that the configuration describes wrongly.
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
        name, options = split(self._section["source"], SOURCES.what)
        taken = options_of(SOURCES.row(name))
        options |= {key: self._section[key] for key in taken if key in self._section}
        if "splits" in taken:
            options["splits"] = (self._section["train_split"], self._section["eval_split"])
        # Not as a choice, since sources have an option called `name`: the data set's name.
        return configure(SOURCES.with_foreign(name), name, SOURCES.what, options)()

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
        resident = isinstance(self._eval_examples, ImageSet)
        valid = {*AUGMENTATIONS, "augment"} | (set() if resident else photographs.KEYS)
        for key in keys:
            if key not in valid:
                raise UserError(_refusal(key, name, valid, resident))
        return keys

    @cached_property
    def repeats(self) -> int:
        """How often training repeats an example before the next one."""
        return self._section["repeats"]

    @cached_property
    def train_data(self) -> ResidentData | StreamedData:
        chosen = {key: self._keys[key] for key in (*AUGMENTATIONS, "augment") if key in self._keys}
        return self._data(self.source.load(self._section["train_split"]), Augmentation(**chosen))

    @cached_property
    def eval_data(self) -> ResidentData | StreamedData:
        return self._data(self._eval_examples, None)

    @cached_property
    def _eval_examples(self) -> ImageSet | EncodedSet:
        return self.source.load(self._section["eval_split"])

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
        """A test set as evaluation reads it: the same views as the run's own."""
        return self._data(benchmark.examples, None)

    def preprocessing(self) -> dict:
        """How evaluation prepares an image: crop, scale, subtract the mean, divide by the std.

        Where `crop_ratio` is None, data.images.pictures.read_picture decides how to crop.
        """
        size, crop_ratio, interpolation = (
            self._section.get(key) for key in ("eval_size", "crop_ratio", "interpolation")
        )
        height, width, channels = self.source.image_shape
        return {
            "layout": "NHWC",
            "image_shape": [size or height, size or width, channels],
            "crop_ratio": crop_ratio,
            "interpolation": interpolation,
            "scale": 1 / 255,
            **self._normalisation,
            "classes": list(self.source.class_names),
        }

    @cached_property
    def _normalisation(self) -> dict[str, tuple[float, ...]]:
        return {"mean": self._section["mean"], "std": self._section["std"]}

    def _data(
        self, examples: ImageSet | EncodedSet, augmentation: Augmentation | None
    ) -> ResidentData | StreamedData:
        options = {
            **self._normalisation,
            "augmentation": augmentation,
            "dtype": self._dtype,
            "shard": self._shard,
            "repeats": self.repeats,
        }
        if isinstance(examples, ImageSet):
            return ResidentData(examples, **options)
        return photographs.streamed(
            examples,
            image_size=self.source.image_shape[0],
            steps=self._steps(len(examples)),
            **{key: self._keys[key] for key in photographs.KEYS & self._keys.keys()},
            **options,
        )


# Keys of the section that this module reads.
OWN = ("source", "train_split", "eval_split", "mean", "std", "repeats")


def _refusal(key: str, source: str, valid: set[str], resident: bool) -> str:
    takers = [name for name, row in SOURCES.items() if key in options_of(row)]
    if takers:
        why = f"leave it unset, or choose a data.source that takes it: {', '.join(takers)}"
    elif resident and key in photographs.KEYS:
        why = "leave it unset: it is for photographs, and the images of this set have one size"
    else:
        why = f"valid beside the source's own options: {', '.join(sorted(valid))}"
    return f"data.source '{source}' takes no {key}{nearest(key, valid)}: {why}"
