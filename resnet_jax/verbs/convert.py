"""Converts weights: python -m resnet_jax convert SOURCE TARGET.safetensors --model=resnet50.

SOURCE is a .safetensors, .pth, .th or .pt file in the naming of torchvision, timm or akamaster's
CIFAR code, hf://OWNER/REPOSITORY of the hub, or the folder of a run, which knows its model.
"""

from pathlib import Path
from typing import Any

from absl import flags

from resnet_jax.verbs import shared_flags

FLAGS = flags.FlagValues()
_MODEL = flags.DEFINE_string(
    "model", None, "Published network; resnet_jax.models.names() lists them.", flag_values=FLAGS
)
_NAMING = shared_flags.define_naming(FLAGS)
_TRUST = shared_flags.define_trust(FLAGS)


def main(source: str, target: str) -> dict[str, Any]:
    """Returns what was written."""
    from resnet_jax.tables import UserError, choose
    from resnet_jax.weights import write_tensors
    from resnet_jax.weights.naming import CHOICES

    choose(dict.fromkeys(CHOICES), str(_NAMING.value), "--naming")
    if Path(source).is_dir():
        if _MODEL.value is not None:
            raise UserError(f"{source} is a run and knows its model: leave out --model")
        name, tensors = _from_run(Path(source))
    else:
        if _MODEL.value is None:
            raise UserError("give --model=NAME: the file does not say which network it belongs to")
        name, tensors = _MODEL.value, _from_file(source, _MODEL.value)
    write_tensors(Path(target), tensors, {"model": name, "naming": str(_NAMING.value)})
    parameters = sum(tensor.size for key, tensor in tensors.items() if "running" not in key)
    print(f"{len(tensors)} tensors of {name}, {parameters:,} parameters: {target}")
    return {"tensors": len(tensors), "parameters": parameters, "file": target}


def _from_file(path: str, name: str) -> dict[str, Any]:
    from resnet_jax.models import create
    from resnet_jax.weights import read_tensors, to_tensors, to_variables
    from resnet_jax.weights.mapping import classes_of

    model = create(name)
    tensors = read_tensors(path)
    model = model.clone(classes=classes_of(tensors) or model.classes)
    return to_tensors(model, to_variables(model, tensors).variables, _NAMING.value)


def _from_run(workdir: Path) -> tuple[str, dict[str, Any]]:
    from resnet_jax.weights import to_tensors

    network = shared_flags.run(workdir, trust_rows=bool(_TRUST.value))
    variables = network.unrolled_variables()
    return workdir.name, to_tensors(network.assembly.model, variables, _NAMING.value)
