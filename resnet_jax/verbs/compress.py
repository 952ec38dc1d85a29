"""Makes a trained network smaller: python -m resnet_jax compress int8 --workdir=runs/cifar10.

Methods: fold, magnitude, structured, distil, int8, int8_aware. Accuracy, size, arithmetic and
latency before and after are printed and written to RUN/compressed/ as JSON, beside the tensors.
"""

import json
from typing import Any

from absl import flags

from resnet_jax.verbs import trained
from resnet_jax.verbs.launch import launch

_OUT = flags.DEFINE_string("out", None, "Folder of the results; by default RUN/compressed.")
_EXAMPLES = flags.DEFINE_integer("examples", 2_000, "Test images that tell the accuracy.")
_KEPT = flags.DEFINE_float("kept", None, "Of magnitude and structured: share that stays.")
_STEPS = flags.DEFINE_integer("steps", None, "Updates after pruning, or from the teacher.")
_RATE = flags.DEFINE_float("rate", None, "Learning rate of those updates.")
_DEPTHS = flags.DEFINE_integer("depths", None, "Of distil: the student's blocks in each stage.")
_TEMPERATURE = flags.DEFINE_float("temperature", None, "Of distil: softens both probabilities.")
_SHARE = flags.DEFINE_float("share", None, "Of distil: the teacher's part in the loss.")
_CONSISTENT = flags.DEFINE_bool(
    "consistent", None, "Of distil: the teacher sees the same crop as the student."
)
_SEED = flags.DEFINE_integer("seed", 0, "Of updates and new parameters.")


def main(name: str) -> dict[str, Any]:
    """Returns the figures before and after."""
    from resnet_jax.compression.methods import METHODS, figures, original, write
    from resnet_jax.tables import UserError, configure

    options = {
        "kept": _KEPT.value,
        "steps": _STEPS.value,
        "rate": _RATE.value,
        "depths": _DEPTHS.value,
        "temperature": _TEMPERATURE.value,
        "share": _SHARE.value,
        "consistent": _CONSISTENT.value,
    }
    for option, value in options.items():
        if value is not None and option != "consistent" and value <= 0:
            raise UserError(f"--{option}={value} must be positive")
    if _KEPT.value is not None and _KEPT.value > 1:
        raise UserError(f"--kept={_KEPT.value} is a share and must lie in (0, 1]")
    method = configure(METHODS, name, "method", options)
    folder = trained.output_folder("compressed", _OUT.value)
    network = trained.load()
    subject = network.subject(_SEED.value)
    smaller = method(subject, network.assembly.train_data)
    result: dict[str, Any] = {
        "method": name,
        "options": {key: value for key, value in options.items() if value is not None},
        "before": figures(original(subject), subject, _EXAMPLES.value),
        "after": figures(smaller, subject, _EXAMPLES.value),
    }
    write(smaller, folder / f"{name}.safetensors")
    (folder / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(f"{network.origin}, {name}:")
    for key, before in result["before"].items():
        after = result["after"][key]
        ratio = f"{before / after:8.2f}x" if key not in ("top1", "loss") else ""
        print(f"  {key:<14}{before:>14,.4g} -> {after:>14,.4g}{ratio}")
    return result


if __name__ == "__main__":
    launch(main, operands=["METHOD"], needs_config=False)
