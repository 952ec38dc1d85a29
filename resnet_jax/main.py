"""Trains: python -m resnet_jax.main --config=configs/cifar10.py --workdir=runs/cifar10."""

import sys
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import config_flags

from resnet_jax import processes
from resnet_jax.verbs.launch import default_workdir, launch

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Configuration file, for example configs/cifar10.py:depth=110,shortcut=C."
)
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Folder of the run; by default a folder in runs/ named after the configuration.",
)
flags.mark_flag_as_required("config")


def main() -> dict[str, Any]:
    """Trains, and returns the figures of the final evaluation."""
    from resnet_jax.assembly.run import train
    from resnet_jax.pages import run as run_page

    workdir = Path(_WORKDIR.value or default_workdir(sys.argv))
    print(f"the run lies in {workdir}", flush=True)
    result = train(_CONFIG.value, workdir)
    if "stopped" in result:
        print(f"stopped by {result['stopped']} at step {result['step']}; the same command goes on")
    else:
        print(f"test top1 {result['top1']:.4f} after {result['step']} steps; the run: {workdir}")
        if (page := run_page.write_if_wanted(workdir)) is not None:
            print(f"what it did: {page}")
    return result


if __name__ == "__main__":
    launch(processes.together(main))
