"""Trains: python -m resnet_jax train --config=cifar10 --workdir=runs/cifar10.

The same command goes on with a run that was stopped. `python -m resnet_jax.main` is the same verb.
"""

import shlex
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from absl import flags, logging

from resnet_jax import runtime
from resnet_jax.tables import UserError
from resnet_jax.verbs import shared_flags

FLAGS = flags.FlagValues()
_CONFIG = shared_flags.Configuration(FLAGS)
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Folder of the run; by default a folder in runs/ named after the configuration.",
    flag_values=FLAGS,
)
_FIND_RATE = flags.DEFINE_bool(
    "find_rate",
    False,
    "Do not train: let the rate grow in 200 steps, and write the loss over it into the workdir.",
    flag_values=FLAGS,
)
_CONTINUE_FROM = flags.DEFINE_string(
    "continue_from",
    None,
    "Run whose whole training state a new run goes on from, with other epochs, rate or schedule;"
    " the same as --config.init.run=RUN.",
    flag_values=FLAGS,
)
shared_flags.define_peers(FLAGS)


def main() -> dict[str, Any]:
    """Trains, and returns the figures of the final evaluation."""
    from resnet_jax.assembly import Assembly
    from resnet_jax.assembly.run import train
    from resnet_jax.assembly.run_folder import OtherRun, steps_of

    overrides = list(_CONFIG.overrides)
    if _CONTINUE_FROM.value is not None:
        origin = shared_flags.folder(_CONTINUE_FROM.value, "--continue_from")
        overrides.append(("init.run", str(origin)))
    config = _CONFIG.read(overrides)
    named = _WORKDIR.value or default_workdir(str(_CONFIG.text), overrides)
    workdir = shared_flags.folder(named, "--workdir")
    if _FIND_RATE.value:
        from resnet_jax.assembly.rate import find_rate

        return find_rate(config, workdir / "find_rate")
    try:
        result = train(config, workdir, runtime.ending_together)
    except OtherRun as error:
        if not error.fits or Assembly(config).steps <= steps_of(workdir)[-1]:
            raise
        goes_on = going_on(str(_CONFIG.text), _CONFIG.overrides, workdir)
        raise UserError(f"{error}; to go on from its state, say {goes_on}") from None
    if "stopped" in result:
        print(f"stopped by {result['stopped']} at step {result['step']}; the same command goes on")
    else:
        if best := result.get("best"):
            words = f"top1 {best['top1']:.4f} of step {best['step']}"
            print(f"ended by eval.patience: no evaluation since was better than {words}")
        print(f"test top1 {result['top1']:.4f} after {result['step']} steps; the run: {workdir}")
        if config.report.page:
            try:
                write_page(workdir)
            except (OSError, UserError) as error:
                logging.error("the page of the run is not written: %s", error)
    return result


def write_page(workdir: Path) -> None:
    """Writes the page of a run that this process has trained, and prints where.

    A run of several processes gets none: `python -m resnet_jax report` writes it, in one.
    """
    import jax

    # Imported late: a run without a page need not wait for it.
    from resnet_jax.pages import run as run_page

    if jax.process_count() == 1:
        # Its files of rows have run already.
        print(f"its page: {run_page.write(workdir, trust_rows=True)}")


def going_on(text: str, overrides: Sequence[tuple[str, str]], workdir: Path) -> str:
    """The command that goes on from the run in `workdir`, in a new folder beside it."""
    names = (workdir.with_name(f"{workdir.name}_{number}") for number in count(2))
    new = next(name for name in names if not name.exists())
    changes = (f"--config.{key}={value}" for key, value in overrides)
    flags = f"--config={text}", *changes, f"--continue_from={workdir}", f"--workdir={new}"
    return shlex.join(["resnet-jax", "train", *flags])


def default_workdir(text: str, overrides: Sequence[tuple[str, str]]) -> str:
    """runs/, then the configuration's name and its changes."""
    file, _, changes = text.partition(":")
    changed = [f"{key}={value}" for key, value in dict(overrides).items()]
    words = [Path(file).stem, *filter(None, [changes]), *changed]
    return "runs/" + ",".join(words).replace("/", "-")
