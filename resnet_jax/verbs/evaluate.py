"""Evaluates a run, or a file of weights: python -m resnet_jax evaluate --workdir=runs/cifar10.

python -m resnet_jax evaluate --config=cifar10 --weights=resnet20.safetensors
python -m resnet_jax evaluate --workdir=RUN --changes=data.eval_views=ten,data.eval_size=256 \
    --sets=imagenet_v2=DIR,imagenet_c=DIR,imagenet_real=real.json --details=details.json
"""

import json
from pathlib import Path
from typing import Any

from absl import flags

from resnet_jax.reporting.files import replace
from resnet_jax.tables import UserError
from resnet_jax.verbs import shared_flags

FLAGS = flags.FlagValues()
_SETS = flags.DEFINE_list(
    "sets",
    [],
    "Other test sets, each NAME=FOLDER, or NAME alone for a prepared TFDS set: imagenet_v2,"
    " imagenet_sketch, imagenet_a, imagenet_r, imagenet_c, imagenet_real=real.json.",
    flag_values=FLAGS,
)
_DETAILS = flags.DEFINE_string(
    "details",
    None,
    "JSON file for each set's accuracy by class and confusion matrix.",
    flag_values=FLAGS,
)
_TRAINED = shared_flags.Trained(FLAGS)
shared_flags.define_peers(FLAGS)


def main() -> dict[str, Any]:
    """Returns the figures of one checkpoint or file on the evaluation split and other test sets."""
    from resnet_jax.analysis import scorecard

    network = _TRAINED.load()
    assembly = network.assembly
    where = dict(text.partition("=")[::2] for text in _SETS.value)
    benchmarks = assembly.inputs.benchmarks(where) if where else []
    variables = assembly.evaluation.recalibrated(network.variables)
    rows = assembly.evaluation.metrics
    own = scorecard.of_totals(assembly.evaluation.totals(variables), rows)
    others = {
        benchmark.name: scorecard.of_totals(assembly.evaluation.totals(variables, benchmark), rows)
        for benchmark in benchmarks
    }
    result = own.figures
    print(f"{network.origin}: {scorecard.line(result)}")
    if not others and _DETAILS.value is None:
        return result
    sets = scorecard.grouped({name: scores.figures for name, scores in others.items()})
    classes = assembly.source.class_names
    print(scorecard.table(result, sets, imagenet=len(classes) == 1_000))
    if _DETAILS.value is not None:
        kept = {benchmark.name: benchmark.classes for benchmark in benchmarks}
        _write(
            Path(_DETAILS.value),
            {
                name: scores.details(classes, kept.get(name))
                for name, scores in {"evaluation": own, **others}.items()
            },
        )
    return {**result, "sets": sets}


def _write(path: Path, details: dict[str, Any]) -> None:
    try:
        replace(path, json.dumps(details))
    except OSError as error:
        raise UserError(f"can't write {path} ({error.strerror}): give another --details") from None
