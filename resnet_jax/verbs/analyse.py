"""Studies a trained network: python -m resnet_jax analyse lesion --workdir=runs/cifar10.

The findings are written to RUN/analysis/ as JSON, SVG and PNG. With --config alone the analysis
studies the network before its first update. ANALYSIS may be FILE.py:FUNCTION of your own. The
analyses and their options:
"""

from typing import Any

from absl import flags

from resnet_jax.analysis.analyses import ANALYSES
from resnet_jax.tables import UserError, configure
from resnet_jax.tables.foreign import foreign_file
from resnet_jax.verbs import options, shared_flags

ROWS = options.of_files(ANALYSES.values(), "study")
__doc__ = f"{__doc__}\n{options.listed(ROWS)}"

FLAGS = flags.FlagValues()
_OUT = flags.DEFINE_string(
    "out", None, "Folder of the results; by default RUN/analysis.", flag_values=FLAGS
)
_SEED = shared_flags.define_seed(FLAGS, "Seed of what the analysis draws.")
options.define(FLAGS, ROWS)
_OWN = flags.DEFINE_multi_string(
    "option", [], "KEY=VALUE, of an analysis in a file of your own.", flag_values=FLAGS
)
_TRAINED = shared_flags.Trained(FLAGS)


def main(analysis: str) -> dict[str, Any]:
    """Runs the analysis, writes what it found, and returns its numbers' file and its summary."""
    own = foreign_file(analysis) is not None
    chosen = options.of_own(_OWN.value) if own else options.given(FLAGS, ROWS, analysis, "analysis")
    if _OWN.value and not own:
        raise UserError(
            f"--option is for an analysis of your own: give the options of {analysis} as flags"
        )

    from resnet_jax.analysis.analyses import load
    from resnet_jax.reporting.findings import write_findings

    folder = _TRAINED.output_folder("analysis", _OUT.value)
    network = _TRAINED.load_or_start()
    if "other" in chosen:
        chosen["other"] = shared_flags.run(
            shared_flags.folder(chosen["other"], "--other"), trust_rows=_TRAINED.trust_rows
        ).subject()
    subject = network.subject(_SEED.value)._replace(checkpoints=_TRAINED.checkpoints())
    found = configure({analysis: load(analysis)}, analysis, "analysis", chosen)(subject)
    print(f"{network.origin}: {found.summary}")
    file = write_findings(found, analysis.rpartition(":")[2], folder)
    return {"analysis": analysis, "file": str(file)}
