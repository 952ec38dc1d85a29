"""Makes a trained network smaller: python -m resnet_jax compress int8 --workdir=runs/cifar10.

Accuracy, size, arithmetic and latency before and after are printed and written to RUN/compressed/
as JSON, beside the tensors. The methods and their options:
"""

import json
from pathlib import Path
from typing import Any

from absl import flags

from resnet_jax.verbs import options, shared_flags

ROWS = options.of_table(Path(__file__).parents[1] / "compression" / "methods.py", "METHODS")
__doc__ = f"{__doc__}\n{options.listed(ROWS)}"

FLAGS = flags.FlagValues()
_OUT = flags.DEFINE_string(
    "out", None, "Folder of the results; by default RUN/compressed.", flag_values=FLAGS
)
_EXAMPLES = flags.DEFINE_integer(
    "examples", 2_000, "Number of test images for the accuracy.", lower_bound=1, flag_values=FLAGS
)
_SEED = shared_flags.define_seed(FLAGS, "Seed of updates and new parameters.")
options.define(FLAGS, ROWS)
_TRAINED = shared_flags.Trained(FLAGS)


def main(method: str) -> dict[str, Any]:
    """Returns the figures before and after."""
    chosen = options.given(FLAGS, ROWS, method, "method")

    from resnet_jax.compression.methods import METHODS, figures, original, write
    from resnet_jax.reporting.files import replace

    folder = _TRAINED.output_folder("compressed", _OUT.value)
    network = _TRAINED.load()
    subject = network.subject(_SEED.value)
    smaller = METHODS[method](subject, network.assembly.train_data, **chosen)
    result: dict[str, Any] = {
        "method": method,
        "options": chosen,
        "before": figures(original(subject), subject, _EXAMPLES.value),
        "after": figures(smaller, subject, _EXAMPLES.value),
    }
    write(smaller, folder / f"{method}.safetensors")
    replace(folder / f"{method}.json", json.dumps(result, indent=1) + "\n")
    print(f"{network.origin}, {method}:")
    for key, before in result["before"].items():
        after = result["after"][key]
        ratio = f"{before / after:8.2f}x" if key not in ("top1", "loss") else ""
        print(f"  {key:<14}{before:>14,.4g} -> {after:>14,.4g}{ratio}")
    return result
