"""Exports a trained network: python -m resnet_jax export TARGET --workdir=runs/cifar10.

TARGET ends in .safetensors (tensors named as --naming says), .stablehlo (jax.export's artefact for
CPU, CUDA and TPU, any batch size) or .onnx (needs the extra onnx). --config=FILE with
--weights=FILE exports the network of a file. Beside TARGET the preprocessing of images is written
to TARGET.json, and to README.md a card of the network as hubs show it: metrics, preprocessing,
licence and the command that trained it. A README.md that is no such card is left alone, and the
card is TARGET.md then.
"""

import json
from pathlib import Path
from typing import Any

from absl import flags

from resnet_jax.verbs import shared_flags

FLAGS = flags.FlagValues()
_NAMING = shared_flags.define_naming(FLAGS)
_LICENCE = flags.DEFINE_string(
    "licence", None, "Licence of the weights, for the card, as apache-2.0.", flag_values=FLAGS
)
_TRAINED = shared_flags.Trained(FLAGS)


def main(target: str) -> dict[str, Any]:
    """Returns what was written."""
    from resnet_jax.pages import card
    from resnet_jax.reporting.files import replace
    from resnet_jax.tables import UserError, choose
    from resnet_jax.weights import to_tensors, write_tensors
    from resnet_jax.weights.artefacts import onnx, stablehlo
    from resnet_jax.weights.naming import CHOICES

    choose(dict.fromkeys(CHOICES), str(_NAMING.value), "--naming")

    path = Path(target)
    writers = {".stablehlo": stablehlo, ".onnx": onnx}
    if path.suffix not in (".safetensors", *writers):
        raise UserError(
            f"can't tell from '{target}' what to write: end it in .safetensors, .stablehlo or .onnx"
        )
    if not path.parent.is_dir():
        raise UserError(f"there is no folder {path.parent} to write {path.name} into")
    network = _TRAINED.load()
    assembly, variables = network.assembly, network.scored_variables()
    preprocessing = assembly.inputs.preprocessing()
    if path.suffix == ".safetensors":
        tensors = to_tensors(assembly.model, variables, _NAMING.value)
        write_tensors(path, tensors, {"origin": network.origin})
    else:
        model = assembly.model.clone(scan_blocks=False)
        replace(path, writers[path.suffix](model, variables, preprocessing["image_shape"]))
    beside = path.with_name(path.name + ".json")
    replace(beside, json.dumps(preprocessing, indent=2) + "\n")
    workdir = None if _TRAINED.weights else _TRAINED.workdir
    described = card.write(path, network, preprocessing, workdir, _LICENCE.value)
    print(f"{path}, the preprocessing of its images: {beside}, and its card: {described}")
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "preprocessing": str(beside),
        "card": str(described),
    }
