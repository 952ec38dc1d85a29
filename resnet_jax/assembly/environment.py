"""Where and with what a run computes: the line that a run begins with, and `environment.json`.

The file holds a list with an entry for every time that the run was started or gone on with, unless
all of its steps had been made.
"""

import json
import os
import platform
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
from absl import logging

from resnet_jax import __version__
from resnet_jax.assembly import run_folder
from resnet_jax.assembly.assembly import Assembly
from resnet_jax.reporting.files import replace
from resnet_jax.reporting.metrics_file import read_lines
from resnet_jax.runtime import allocator
from resnet_jax.training import parallel

FILE = "environment.json"
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "ml-collections")
# Files by which the drivers of graphics cards show that there is one.
CARDS = {"an NVIDIA GPU": "nvidia[0-9]*", "an AMD GPU": "kfd"}


def beginning(assembly: Assembly, workdir: Path) -> str:
    """Devices, processes, precision, steps, allocator and folder of a run, in one line.

    A second line tells the photographs that `data.holdout` divides.
    """
    config = assembly.config
    line = (
        f"{devices(assembly)}, {config.model.dtype}, {assembly.steps:,} steps of"
        f" {assembly.batch_size:,} images, memory from {allocator()}; the run lies in {workdir}"
    )
    return "\n".join(filter(None, [line, assembly.inputs.held_out()]))


def devices(assembly: Assembly) -> str:
    """'8 x NVIDIA H100 in 2 processes', or '1 of 8 x NVIDIA H100'."""
    used, there = assembly.mesh.size, jax.device_count()
    kind = assembly.mesh.devices.flat[0].device_kind
    processes = jax.process_count()
    number = f"{used} x" if used == there else f"{used} of {there} x"
    return f"{number} {kind}" + (f" in {processes} processes" if processes > 1 else "")


def devices_of(workdir: Path) -> list[str]:
    """The devices that a run was trained on, each kind once."""
    trained = (entry for entry in read(workdir) if entry.get("images_seen") != 0)
    return sorted({entry["devices"] for entry in trained if "devices" in entry})


def first_step(workdir: Path) -> int:
    """Updates that had been made when the run began: 0 but for one that went on from another."""
    return min((entry.get("from_step", 0) for entry in read(workdir)), default=0)


def unused_card(place: Path = Path("/dev")) -> str | None:
    """The sentence on a graphics card that this machine has and JAX does not use; else None.

    Args:
      place: the folder of the system's devices.
    """
    if jax.default_backend() != "cpu":
        return None
    for card, pattern in CARDS.items():
        if any(place.glob(pattern)):
            asked = os.environ.get("JAX_PLATFORMS")
            way = "pip install 'resnet_jax[cuda]'" if "NVIDIA" in card else "install JAX for it"
            why = f"unset JAX_PLATFORMS={asked}, and {way}" if asked else way
            return f"{card} is there, and the run computes on the processor: to use it, {why}"
    return None


@contextmanager
def recorded(assembly: Assembly, workdir: Path) -> Iterator[None]:
    """Adds an entry to the run's environment.json, whose end it tells when left.

    A file that can't be written stops no run.
    """
    finished = assembly.steps in run_folder.steps_of(workdir)
    if finished or not parallel.is_first_process():
        yield
        return
    entries, start = read(workdir), datetime.now(UTC)
    first = _steps_before(assembly, workdir)
    entry: dict[str, Any] = {
        "start": start.isoformat(timespec="seconds"), "from_step": first, **facts(assembly),
    }  # fmt: skip
    _write(workdir, [*entries, entry])
    # A run that was stopped saved behind its last line of metrics, up to which images were counted.
    told = min(first, _last_step(workdir) or first)
    try:
        yield
    finally:
        end = datetime.now(UTC)
        steps = max(0, (_last_step(workdir) or told) - told)
        entry |= {
            "end": end.isoformat(timespec="seconds"),
            "hours": round((end - start).total_seconds() / 3600, 4),
            "images_seen": steps * assembly.batch_size,
        }
        _write(workdir, [*entries, entry])


def facts(assembly: Assembly) -> dict[str, Any]:
    """What does not change while the run is under way."""
    return {
        "command": shlex.join(sys.orig_argv),
        "devices": devices(assembly),
        "precision": assembly.config.model.dtype,
        "allocator": allocator(),
        "steps": assembly.steps,
        "batch_size": assembly.batch_size,
        "host": socket.gethostname(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {"resnet_jax": __version__, **_versions()},
        "environment": {
            key: value
            for key, value in sorted(os.environ.items())
            if key.startswith(("XLA_", "JAX_", "CUDA_VISIBLE", "TF_GPU", "MIMALLOC_"))
        },
        **checkout(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def checkout(package: Path = Path(__file__).parents[2]) -> dict[str, Any]:
    """The git repository of the code, its commit, and whether all files are as committed.

    It is the checkout that this package runs from; for an installed package the repository that
    the current folder lies in. All are None where there is none.

    Args:
      package: the folder that this package lies in.
    """
    folder = package if (package / ".git").exists() else Path.cwd()
    nothing = {"repository": None, "commit": None, "clean": None}
    try:
        commit, status = (
            subprocess.run(
                ["git", "-C", str(folder), *arguments],
                capture_output=True, text=True, check=True, timeout=20,
            ).stdout.strip()
            for arguments in (("rev-parse", "HEAD"), ("status", "--porcelain"))
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return nothing
    return {"repository": str(folder), "commit": commit, "clean": not status}


def read(workdir: Path) -> list[dict[str, Any]]:
    """The entries of a run, oldest first; none where the file is missing or damaged."""
    try:
        found = json.loads((workdir / FILE).read_text())
    except (OSError, ValueError):
        return []
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _write(workdir: Path, entries: list[dict[str, Any]]) -> None:
    try:
        replace(workdir / FILE, json.dumps(entries, indent=2) + "\n")
    except OSError as error:
        logging.error("%s can't be written (%s)", workdir / FILE, error.strerror)


def _steps_before(assembly: Assembly, workdir: Path) -> int:
    """Updates behind the checkpoint that the run goes on from, its own or another run's.

    Lines of metrics may tell of later ones, which are made again.
    """
    folders = filter(None, (workdir, assembly.config.init.run))
    found = (run_folder.steps_of(Path(folder)) for folder in folders)
    return max(next(filter(None, found), [0]))


def _last_step(workdir: Path) -> int:
    path = workdir / "metrics.jsonl"
    lines = read_lines(path) if path.is_file() else []
    return int(lines[-1]["step"]) if lines else 0
