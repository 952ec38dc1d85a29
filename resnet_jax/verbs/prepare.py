"""Writes a smaller copy of a data set once: python -m resnet_jax prepare SOURCE OUT --max_side=400.

SOURCE is a folder of image folders, or the name of a TensorFlow data set. The copy is for machines
whose processors can't decode as fast as a network learns; a run reads it with
--config.data.source=prepared --config.data.dir=OUT.
"""

from typing import Any

from absl import flags

from resnet_jax import runtime

FLAGS = flags.FlagValues()
_MAX_SIDE = flags.DEFINE_integer(
    "max_side", 400, "Most pixels of an image's long side.", lower_bound=1, flag_values=FLAGS
)
_QUALITY = flags.DEFINE_integer(
    "quality", 90, "Quality of the JPEGs.", lower_bound=1, upper_bound=100, flag_values=FLAGS
)
_SPLITS = flags.DEFINE_list("splits", ["train", "validation"], "Splits to copy.", flag_values=FLAGS)
_WORKERS = flags.DEFINE_integer(
    "workers", None, "Threads; by default one for each core.", lower_bound=1, flag_values=FLAGS
)


def main(source: str, out: str) -> dict[str, Any]:
    """Returns what was written."""
    from tqdm import tqdm

    from resnet_jax.data.sources import catalogue as sources
    from resnet_jax.data.sources import preparing
    from resnet_jax.data.sources.folder import place

    splits = tuple(_SPLITS.value)
    if place(source).is_dir():
        read = sources.folder(dir=source, splits=splits)
    else:
        read = sources.tfds(name=source)
    with tqdm(unit=" images", disable=None) as bar:
        counts = preparing.copy(
            read,
            splits,
            place(out),
            max_side=_MAX_SIDE.value,
            quality=_QUALITY.value,
            workers=_WORKERS.value or runtime.core_count(),
            progress=bar.update,
        )
    return {"examples": counts, "folder": out}
