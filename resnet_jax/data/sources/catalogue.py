"""Where examples come from: a source knows the shape of its images, and reads or opens a split.

Sets whose images have one shape are read into memory as pixels. Photographs of any size, in image
folders or TensorFlow Datasets, stay encoded, and are decoded when a batch needs them.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np

from resnet_jax.data.images.encoded import EncodedSet
from resnet_jax.data.sources.decoded import ImageSet, keep_decoded
from resnet_jax.data.sources.folder import HOW_TO_GET_IMAGENET, open_folder, place
from resnet_jax.data.sources.folder import class_names as found_classes
from resnet_jax.data.sources.holdout import classes as own_classes
from resnet_jax.data.sources.holdout import open_part
from resnet_jax.data.sources.prepared import facts, open_prepared
from resnet_jax.tables import Table, UserError
from resnet_jax.tables.constraints import Interval
from resnet_jax.tables.domains import BelowOne, Pixels, PositiveInt

Classes = Annotated[int, Interval(1, 100_000)]

# Options of sources that a run sets itself, so that no configuration has them.
OF_THE_RUN = ("splits", "class_names")


class Source(NamedTuple):
    """A labelled image set.

    Attributes:
      image_shape: height, width and channels of the images that a network trains on; known without
        reading an image.
      class_names: of labels 0, 1, ...
      load: reads or opens a split by its name; raises UserError if it is not there.
      photographs: whether a split is an EncodedSet, whose images have any size and are cropped.
    """

    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    load: Callable[[str], ImageSet | EncodedSet]
    photographs: bool = False


def digits() -> Source:
    """The 1,797 handwritten digits of scikit-learn: 8x8 pixels, one channel from 0 to 255.

    They are the test part of the UCI ML hand-written digits (Alpaydin & Kaynak 1998). The split
    'test' is a fixed random fifth of each class, and 'train' is the rest.
    """
    return Source((8, 8, 1), tuple("0123456789"), _load_digits)


def _load_digits(split: str) -> ImageSet:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    # The set's own scale is 0 to 16.
    images = (data.images * (255 / 16)).round().astype(np.uint8)[..., None]
    train, test = train_test_split(
        np.arange(len(images)), test_size=0.2, random_state=0, stratify=data.target
    )
    chosen = {"train": train, "test": test}
    if split not in chosen:
        raise UserError(f"the digits have no split '{split}'; valid: train, test")
    indices = np.sort(chosen[split])
    return ImageSet(images[indices], data.target[indices].astype(np.int32))


def synthetic(
    image_size: Pixels = 32, classes: Classes = 10, examples: PositiveInt = 1_024
) -> Source:
    """Made-up RGB images that a network can learn: a pattern of 4x4 patches a class, and noise.

    Raises:
      UserError: the images would take more than a GiB.
    """
    if examples * image_size**2 * 3 > 2**30:
        raise UserError(
            f"{examples:,} made-up images of {image_size} pixels a side take more than a GiB: set"
            f" data.examples to at most {max(1, 2**30 // (image_size**2 * 3)):,}"
        )

    def load(split: str) -> ImageSet:
        patches = np.random.default_rng(0).uniform(0, 255, (classes, 4, 4, 3))
        where = np.arange(image_size) * 4 // image_size
        patterns = patches[:, where][:, :, where]
        labels = np.arange(examples, dtype=np.int32) % classes
        draw = np.random.default_rng([1, *split.encode()])
        noise = draw.uniform(0, 255, (examples, image_size, image_size, 3))
        return ImageSet((0.4 * patterns[labels] + 0.6 * noise).astype(np.uint8), labels)

    names = tuple(f"class {number}" for number in range(classes))
    return Source((image_size, image_size, 3), names, load)


def folder(
    name: str = "",
    dir: str = "",
    image_size: Pixels = 224,
    splits: tuple[str, ...] = ("train", "validation"),
    class_names: tuple[str, ...] | None = None,
    holdout: BelowOne = 0.0,
) -> Source:
    """Image files in a folder for each class, or with a file of labels; see data.sources.folder.

    Args:
      name: of the folder of the splits, if that lies in `dir`.
      dir: folder of the splits, or of their folder; any path that etils.epath opens.
      image_size: pixels of a side in training.
      splits: the first of these that is there decides what the classes are.
      class_names: the classes, where they are known already.
      holdout: share of each class's photographs that is the test set, of a folder without splits;
        see data.sources.holdout. 0: the folder has the splits.

    Raises:
      UserError: none of the splits is there.
    """
    if not dir:
        how = "give a folder with a folder for each class" if holdout else HOW_TO_GET_IMAGENET
        raise UserError(f"data.source=folder needs data.dir; {how}")
    root = _set_folder(name, dir)
    if holdout:
        names = own_classes(root) if class_names is None else class_names
        load = partial(open_part, root, names=names, splits=splits, share=holdout)
        return Source((image_size, image_size, 3), names, load, photographs=True)
    names = found_classes(root, splits) if class_names is None else class_names
    load = partial(open_folder, root, classes=names)
    return Source((image_size, image_size, 3), names, load, photographs=True)


def prepared(name: str = "", dir: str = "", image_size: Pixels = 224) -> Source:
    """The smaller copy that `python -m resnet_jax prepare` wrote; see data.sources.prepared.

    Args:
      name, dir: where the copy lies, as for `folder`.
      image_size: pixels of a side in training.

    Raises:
      UserError: the folder holds no such copy.
    """
    place = _set_folder(name, dir)
    names = tuple(facts(place)["class_names"])
    load = partial(open_prepared, place)
    return Source((image_size, image_size, 3), names, load, photographs=True)


def _set_folder(name: str, dir: str) -> Any:
    root = place(dir)
    return root / name if name and (root / name).is_dir() else root


def tfds(name: str = "cifar10", dir: str = "", image_size: Pixels | None = None) -> Source:
    """A TensorFlow Datasets image classification set, read without TensorFlow.

    Args:
      name: of the data set, for example 'cifar10' or 'cifar10:3.0.2'.
      dir: folder of prepared sets; '' means TFDS_DATA_DIR, or else ~/tensorflow_datasets.
      image_size: pixels of a side in training, for sets whose images differ in size; None means 224
        for these.

    Raises:
      UserError: there is no such set, or all its images have another size than the one asked for.
        `load` raises it if the set is not prepared as ArrayRecord.
    """
    import tensorflow_datasets

    folder = dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    folder = os.path.expanduser(folder)
    try:
        builder = tensorflow_datasets.builder(name, data_dir=folder)
    except tensorflow_datasets.core.registered.DatasetNotFoundError:
        raise UserError(
            f"TensorFlow Datasets knows no data set '{name}', and {folder} holds none of that name:"
            " set data.name to one of those that `tfds list` prints"
        ) from None
    except (ValueError, AssertionError):
        raise UserError(
            f"TensorFlow Datasets has no such version or configuration of a data set: '{name}';"
            " leave out in data.name what follows the set's own name"
        ) from None
    features = builder.info.features
    if not {"image", "label"} <= set(features):
        raise UserError(
            f"the examples of data set '{name}' hold {', '.join(features)}, and 'image' and 'label'"
            " are needed: set data.name to a set for image classification"
        )
    classes = tuple(features["label"].names)
    shape = features["image"].shape
    if None not in shape:
        if image_size is not None:
            raise UserError(
                f"the images of data set '{name}' are {shape[0]} x {shape[1]} pixels: leave"
                " data.image_size unset"
            )
        return Source(shape, classes, partial(_load_tfds, builder))
    size = image_size or 224
    return Source((size, size, 3), classes, partial(_open_tfds, builder), photographs=True)


class TFDSRecords:
    """A split whose images stay encoded; see encoded.EncodedSet."""

    def __init__(self, records: Any, name: str):
        self._records, self._name = records, name

    def __len__(self) -> int:
        return len(self._records)

    def read(self, index: int) -> tuple[bytes, int]:
        example = self._records[index]
        return example["image"], int(example["label"])

    def name(self, index: int) -> str:
        return f"example {index} of {self._name}"


def _open_tfds(builder: Any, split: str) -> TFDSRecords:
    from tensorflow_datasets.core.decode import SkipDecoding

    records = _tfds_records(builder, split, decoders={"image": SkipDecoding()})
    return TFDSRecords(records, f"{builder.info.full_name} {split}")


def _load_tfds(builder: Any, split: str) -> ImageSet:
    records = _tfds_records(builder, split)

    def decode() -> ImageSet:
        # Decoding an image releases the interpreter's lock.
        with ThreadPoolExecutor() as pool:
            examples = list(pool.map(records.__getitem__, range(len(records))))
        return ImageSet(
            np.stack([example["image"] for example in examples]),
            np.array([example["label"] for example in examples], np.int32),
        )

    files = [Path(file) for file in builder.info.splits[split.split("[")[0]].filepaths]
    return keep_decoded(f"{builder.info.full_name} {split}", files, decode)


def _tfds_records(builder: Any, split: str, **options: Any) -> Any:
    """The examples of a split, by their number.

    Raises:
      UserError: the set is not prepared as ArrayRecord, or has no such split.
    """
    name, folder = builder.info.full_name, builder.data_path.parent.parent
    prepared = builder.data_path.exists()
    if not prepared or builder.info.file_format.value != "array_record":
        state = "stored as TFRecord" if prepared else "not prepared"
        sizes = [info.size for info in getattr(builder, "url_infos", {}).values()]
        download = f"{sum(sizes) / 2**20:,.0f} MiB" if sizes else "it"
        raise UserError(
            f"data set {name} is {state} in {folder}, and ArrayRecord is what can be read: prepare"
            f" it with `pip install tensorflow && tfds build {name} --data_dir={folder}"
            f" --file_format=array_record`, which fetches {download} from the"
            " set's publisher, or point --config.data.dir or TFDS_DATA_DIR at a folder that has it"
        )
    if split.split("[")[0] not in builder.info.splits:
        raise UserError(
            f"data set {name} has no split '{split}'; valid: {', '.join(builder.info.splits)}"
        )
    try:
        return builder.as_data_source(split, **options)
    except ValueError:
        lengths = ", ".join(
            f"{part} has {info.num_examples}" for part, info in builder.info.splits.items()
        )
        raise UserError(
            f"data set {name} has no examples '{split}' ({lengths}): slice a split as in"
            " 'train[:1000]' or 'train[80%:]'"
        ) from None


SOURCES = Table(
    "data.source",
    {
        "digits": digits,
        "folder": folder,
        "prepared": prepared,
        "synthetic": synthetic,
        "tfds": tfds,
    },
)
