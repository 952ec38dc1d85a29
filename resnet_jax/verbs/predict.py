"""Predicts what pictures show: python -m resnet_jax predict --workdir=runs/cifar10 IMAGE...

python -m resnet_jax predict --model=resnet50 --weights=resnet50.safetensors photos/ 'more/*.jpg'

IMAGE is a file, a folder, a pattern, or - for standard input: a picture, or paths of pictures, one
a line.
"""

import sys
from typing import Any

from absl import flags

from resnet_jax.tables import Incomplete, UserError
from resnet_jax.verbs import shared_flags

FLAGS = flags.FlagValues()
_MODEL = flags.DEFINE_string(
    "model",
    None,
    "Published network whose weights --weights=FILE holds; resnet_jax.models.names() lists them.",
    flag_values=FLAGS,
)
_FORMAT = flags.DEFINE_enum(
    "format",
    "table",
    ["table", "json", "html"],
    "A table, JSON alone, or an HTML contact sheet.",
    flag_values=FLAGS,
)
_EXPLAIN = flags.DEFINE_bool(
    "explain",
    False,
    "Also write where the network looked: Grad-CAM and occlusion, as PNG.",
    flag_values=FLAGS,
)
_TOP = flags.DEFINE_integer(
    "top", 5, "Classes to name for each picture.", lower_bound=1, flag_values=FLAGS
)
_NAMES = flags.DEFINE_string(
    "names", None, "File with the name of each class, one a line.", flag_values=FLAGS
)
_OUT = flags.DEFINE_string(
    "out",
    None,
    "Folder of contact sheet and explanations; by default RUN/predictions.",
    flag_values=FLAGS,
)
_UPRIGHT = flags.DEFINE_bool(
    "upright",
    False,
    "Turn pictures as their EXIF says, which training and evaluation don't.",
    flag_values=FLAGS,
)
_TRAINED = shared_flags.Trained(FLAGS)


def main(*image: str) -> dict[str, Any]:
    """Returns the predictions, one a picture.

    Raises:
      Incomplete: some of several pictures can't be read; the others are answered.
    """
    from resnet_jax.assembly.prediction import Predictor, table, write_explanations
    from resnet_jax.data.images.pictures import UnreadablePicture, picture_files
    from resnet_jax.pages.contact_sheet import sheet
    from resnet_jax.reporting.files import replace

    writes = _EXPLAIN.value or _FORMAT.value == "html"
    folder = _TRAINED.output_folder("predictions", _OUT.value) if writes else None
    files = picture_files(list(image), sys.stdin.buffer)
    predictor = Predictor(_network(), _TOP.value, _NAMES.value, upright=_UPRIGHT.value)
    pictures, unreadable = [], []
    for name, file in files:
        try:
            pictures.append(predictor(name, file))
        except UnreadablePicture as error:
            if len(files) == 1:
                raise
            unreadable.append(error)
    result: dict[str, Any] = {"predictions": [picture.as_json() for picture in pictures]}
    if _FORMAT.value == "table":
        print(table(pictures))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        if _EXPLAIN.value:
            pictures = [predictor.explained(picture) for picture in pictures]
            result["explanations"] = write_explanations(pictures, folder)
        if _FORMAT.value == "html":
            path = folder / "index.html"
            replace(path, sheet(pictures, predictor.origin))
            print(f"contact sheet: {path}")
            result["sheet"] = str(path)
    if unreadable:
        result["unreadable"] = {error.name: error.reason for error in unreadable}
        named = ", ".join(f"{error.name} ({error.reason})" for error in unreadable[:3])
        more = f" and {len(unreadable) - 3} others" if len(unreadable) > 3 else ""
        raise Incomplete(
            f"{len(unreadable)} of {len(files)} pictures can't be read: {named}{more}", result
        )
    return result


def _network() -> Any:
    from resnet_jax.assembly import prediction

    if _MODEL.value is None:
        return prediction.without_data(_TRAINED.load())
    weights = _TRAINED.weights
    if weights is None or _TRAINED.workdir is not None or _TRAINED.config.text is not None:
        raise UserError(
            "--model=NAME goes with --weights=FILE, and with neither --workdir nor --config"
        )
    return prediction.published(_MODEL.value, weights)
