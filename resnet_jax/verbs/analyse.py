"""Studies a trained network: python -m resnet_jax analyse lesion --workdir=runs/cifar10.

Analyses: gradient_flow, lesion, landscape, receptive_field, similarity, sharpness, cost,
generalisation. What each finds is written to RUN/analysis/ as JSON, SVG and PNG.
"""

from pathlib import Path
from typing import Any

from absl import flags

from resnet_jax.verbs import trained
from resnet_jax.verbs.launch import launch

_OUT = flags.DEFINE_string("out", None, "Folder of the results; by default RUN/analysis.")
_OTHER = flags.DEFINE_string(
    "other", None, "Folder of a second run: of landscape and similarity, which compare with it."
)
_SEED = flags.DEFINE_integer("seed", 0, "Of what the analysis draws.")
_EXAMPLES = flags.DEFINE_integer("examples", None, "Images that the analysis looks at.")
_CORRUPTED = flags.DEFINE_integer(
    "corrupted", None, "Of generalisation: images under each corruption; 0 leaves them out."
)
_POINTS = flags.DEFINE_integer("points", None, "Of landscape: points on each side of the plane.")
_REACH = flags.DEFINE_float("reach", None, "Of landscape: distance to the edge of the plane.")
_DRAWS = flags.DEFINE_integer("draws", None, "Of lesion: random choices of several blocks.")
_EIGENVALUES = flags.DEFINE_integer("eigenvalues", None, "Of sharpness: how many.")


def main(name: str) -> dict[str, Any]:
    """Runs the analysis, writes what it found, and returns its numbers' file and its summary."""
    from resnet_jax.analysis.analyses import ANALYSES
    from resnet_jax.reporting.findings import write_findings
    from resnet_jax.tables import UserError, configure

    options = {
        "examples": _EXAMPLES.value,
        "corrupted": _CORRUPTED.value,
        "points": _POINTS.value,
        "reach": _REACH.value,
        "draws": _DRAWS.value,
        "eigenvalues": _EIGENVALUES.value,
    }
    for option, value in options.items():
        if value is not None and value < (0 if option == "corrupted" else 1) and option != "reach":
            raise UserError(f"--{option}={value} must be positive")
    study = configure(ANALYSES, name, "analysis", options)
    if _OTHER.value is not None and name not in ("landscape", "similarity"):
        raise UserError(f"analysis '{name}' takes no --other; landscape and similarity do")
    folder = trained.output_folder("analysis", _OUT.value)
    network = trained.load_or_start()
    other = trained.from_run(Path(_OTHER.value)).subject() if _OTHER.value else None
    subject = network.subject(_SEED.value)._replace(other=other, checkpoints=trained.checkpoints())
    found = study(subject)
    print(f"{network.origin}: {found.summary}")
    return {"analysis": name, "file": str(write_findings(found, name, folder))}


if __name__ == "__main__":
    launch(main, operands=["ANALYSIS"], needs_config=False)
