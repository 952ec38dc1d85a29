"""Trains on a Cloud TPU slice: create, copy, run on all workers, collect, delete.

python experiments/jobs/tpu_vm.py --dry_run --name=resnet --zone=us-west4-a \
    --accelerator_type=v5litepod-16 --bucket=my-bucket -- --config=configs/imagenet.py

What stands after -- goes to `python -m resnet_jax.main`; the workdir is the folder NAME of the
bucket, which every worker mounts. The same command again goes on from the last checkpoint. The
slice is deleted whatever happened before, unless --keep.
"""

import shlex
import subprocess
import sys
from collections.abc import Sequence

from absl import app, flags

NAME = flags.DEFINE_string("name", None, "Of the slice, and of the run's folder.", required=True)
ZONE = flags.DEFINE_string("zone", None, "For example us-west4-a.", required=True)
TYPE = flags.DEFINE_string("accelerator_type", None, "As v5litepod-16, v4-32.", required=True)
BUCKET = flags.DEFINE_string("bucket", None, "Cloud Storage bucket of the run.", required=True)
VERSION = flags.DEFINE_string(
    "version", "", "TPU software version; '' is the one that goes with the accelerator type."
)
PROJECT = flags.DEFINE_string("project", "", "'' is gcloud's own.")
SPOT = flags.DEFINE_bool("spot", False, "Cheaper, and may be preempted.")
KEEP = flags.DEFINE_bool("keep", False, "Do not delete the slice at the end.")
OUT = flags.DEFINE_string("out", "runs", "Local folder that the run's folder is copied to.")
DRY_RUN = flags.DEFINE_bool("dry_run", False, "Print every command, and run none.")

# cloud.google.com/tpu/docs/runtimes
VERSIONS = {
    "v4": "tpu-ubuntu2204-base",
    "v5litepod": "v2-alpha-tpuv5-lite",
    "v5p": "v2-alpha-tpuv5",
    "v6e": "v2-alpha-tpuv6e",
}
ARCHIVE = "resnet_jax.tar.gz"
Command = list[str]


def tpu_vm(verb: str, *arguments: str) -> Command:
    project = [f"--project={PROJECT.value}"] if PROJECT.value else []
    return ["gcloud", "compute", "tpus", "tpu-vm", verb, *arguments, f"--zone={ZONE.value}",
            *project]  # fmt: skip


def on_all_workers(command: str) -> Command:
    return tpu_vm("ssh", NAME.value, "--worker=all", f"--command={command}")


def create() -> list[Command]:
    version = VERSION.value or VERSIONS.get(TYPE.value.partition("-")[0])
    if version is None:
        raise app.UsageError(f"no known version for {TYPE.value}: give --version")
    spot = ["--spot"] if SPOT.value else []
    return [tpu_vm("create", NAME.value, f"--accelerator-type={TYPE.value}",
                   f"--version={version}", *spot)]  # fmt: skip


def copy() -> list[Command]:
    """The committed tree, and on every worker an environment and the bucket as a folder."""
    install = (
        f"mkdir -p resnet_jax && tar xzf {ARCHIVE} -C resnet_jax && cd resnet_jax"
        # The image's own Python is older than this project takes.
        " && python3 -m pip install --quiet --user uv"
        " && ~/.local/bin/uv venv --python 3.12 .venv"
        " && ~/.local/bin/uv pip install --python .venv"
        " -r requirements.txt -r requirements-tpu.txt"
    )
    options = "--implicit-dirs --rename-dir-limit=100000"  # a checkpoint is a folder, renamed
    mount = f"mkdir -p bucket && (mountpoint -q bucket || gcsfuse {options} {BUCKET.value} bucket)"
    return [
        ["git", "archive", "--format=tar.gz", f"--output={ARCHIVE}", "HEAD"],
        tpu_vm("scp", ARCHIVE, f"{NAME.value}:", "--worker=all"),
        on_all_workers(install),
        on_all_workers(mount),
    ]


def run(arguments: Sequence[str]) -> list[Command]:
    """No flag says which process is which: JAX asks the slice."""
    train = [".venv/bin/python", "-m", "resnet_jax.main", *arguments]
    workdir = shlex.quote(f"--workdir=../bucket/{NAME.value}")
    return [on_all_workers(f"cd resnet_jax && {shlex.join(train)} {workdir}")]


def collect() -> list[Command]:
    target = f"{OUT.value}/{NAME.value}"
    return [
        ["mkdir", "-p", target],
        ["gcloud", "storage", "rsync", "--recursive", f"gs://{BUCKET.value}/{NAME.value}", target],
    ]


def delete() -> list[Command]:
    return [] if KEEP.value else [tpu_vm("delete", NAME.value, "--quiet")]


def carry_out(commands: Sequence[Command]) -> bool:
    """Prints the commands and runs them up to the first that fails; whether none did."""
    for command in commands:
        print(f"$ {shlex.join(command)}", flush=True)
        if not DRY_RUN.value and subprocess.run(command).returncode:
            print(f"failed: {shlex.join(command)}", file=sys.stderr)
            return False
    return True


def main(arguments: Sequence[str]) -> None:
    training = arguments[1:]
    if not any(argument.startswith("--config") for argument in training):
        raise app.UsageError("give the flags of resnet_jax.main after --, --config=FILE at least")
    ok = carry_out(create()) and carry_out(copy()) and carry_out(run(training))
    # What was saved is worth having, and an idle slice costs as much as a busy one.
    ok = carry_out(collect()) and ok
    ok = carry_out(delete()) and ok
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    app.run(main)
