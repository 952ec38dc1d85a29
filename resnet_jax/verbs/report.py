"""Writes the page of a run anew: python -m resnet_jax report --workdir=runs/cifar10.

RUN/report.html shows figures, curves, mistakes, costs, gradients, the configuration, and what
`python -m resnet_jax analyse` has found about the run so far.
"""

from typing import Any

from absl import flags

from resnet_jax import runtime
from resnet_jax.verbs import shared_flags

FLAGS = flags.FlagValues()
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run.", required=True, flag_values=FLAGS
)
_TRUST = shared_flags.define_trust(FLAGS)


def main() -> dict[str, Any]:
    """Returns the page's file."""
    from resnet_jax.assembly import run_folder
    from resnet_jax.pages import run as run_page

    workdir = shared_flags.folder(str(_WORKDIR.value), "--workdir")
    trust = bool(_TRUST.value)
    runtime.compute_in(run_folder.load(workdir, trust_rows=trust).model.dtype)
    path = run_page.write(workdir, trust_rows=trust)
    print(f"the page: {path}")
    return {"file": str(path), "bytes": path.stat().st_size}
