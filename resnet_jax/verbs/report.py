"""Writes the page of a run anew: python -m resnet_jax report --workdir=runs/cifar10.

RUN/report.html: figures, curves, mistakes, costs, gradients, configuration, and what
`python -m resnet_jax analyse` has found about the run so far.
"""

from pathlib import Path
from typing import Any

from absl import flags

from resnet_jax.verbs.launch import launch

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
flags.mark_flag_as_required("workdir")


def main() -> dict[str, Any]:
    """Returns the page's file."""
    from resnet_jax.pages import run as run_page

    path = run_page.write(Path(str(_WORKDIR.value)))
    print(f"the page: {path}")
    return {"file": str(path), "bytes": path.stat().st_size}


if __name__ == "__main__":
    launch(main, needs_config=False)
