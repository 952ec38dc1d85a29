"""Launching on a TPU slice and on a Slurm cluster."""

import getpass
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import ROOT, environment

from resnet_jax.sweeps import jobs, records
from resnet_jax.sweeps.jobs import Job
from resnet_jax.sweeps.launchers import slurm

LAUNCHER = ROOT / "experiments" / "jobs" / "tpu_vm.py"
SLICE = ("--name=mine", "--zone=here", "--accelerator_type=v5litepod-16", "--bucket=pail")
TRAINING = ("--", "--config=configs/smoke.py:depth=14,shortcut=C", "--config.seed=3")

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def launch(*flags: str, path: str = "") -> subprocess.CompletedProcess:
    env = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"}
    return subprocess.run(
        [sys.executable, str(LAUNCHER), *SLICE, *flags], cwd=path or ROOT, env=env,
        capture_output=True, text=True,
    )  # fmt: skip


def commands(output: str) -> list[list[str]]:
    return [shlex.split(line[2:]) for line in output.splitlines() if line.startswith("$ ")]


def test_a_dry_run_prints_every_command_and_runs_none(tmp_path):
    done = launch("--dry_run", *TRAINING, path=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
    verbs = [words[4] if words[:2] == ["gcloud", "compute"] else words[0]
             for words in commands(done.stdout)]  # fmt: skip
    assert verbs == ["create", "git", "scp", "ssh", "ssh", "ssh", "mkdir", "gcloud", "delete"]
    for words in commands(done.stdout):
        assert ("--zone=here" in words) == (words[:2] == ["gcloud", "compute"])
        assert ("--worker=all" in words) == (words[4:5] in (["scp"], ["ssh"]))
    train = commands(done.stdout)[5][-2].removeprefix("--command=")
    words = shlex.split(train)
    assert [word for word in words if word.startswith("--config")] == list(TRAINING[1:])
    assert words[-1] == "--workdir=../bucket/mine"


@pytest.mark.parametrize(
    ("fails", "verbs"),
    [
        ("", ["create", "scp", "ssh", "ssh", "ssh", "rsync", "delete"]),
        ("ssh", ["create", "scp", "ssh", "rsync", "delete"]),
        ("create", ["create", "rsync", "delete"]),
    ],
)
def test_a_slice_is_deleted_whatever_happens(tmp_path, fails, verbs):
    """`gcloud` and `git` are stand-ins that write down what they were called with."""
    log = tmp_path / "log"
    for name in ("gcloud", "git"):
        program = tmp_path / name
        program.write_text(
            f'#!/bin/sh\necho "$1 $2 $3 $4" >> {log}\n[ "$4" != "{fails}" ]\n'
            if name == "gcloud"
            else "#!/bin/sh\n"
        )
        program.chmod(0o755)
    done = launch(*TRAINING, path=str(tmp_path))
    assert done.returncode == (1 if fails else 0)
    called = [line.split() for line in log.read_text().splitlines()]
    assert [words[1] if words[0] == "storage" else words[3] for words in called] == verbs


def test_a_launch_needs_a_configuration(tmp_path):
    assert launch("--dry_run", path=str(tmp_path)).returncode == 1


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Path]:
    """A Slurm of one controller and one node on this machine; its folder."""
    missing = [name for name in ("slurmctld", "slurmd", "sbatch") if not shutil.which(name)]
    if missing:
        pytest.skip(f"Slurm is not installed: no {', '.join(missing)}")
    if os.geteuid():
        pytest.skip("slurmd needs to be root")
    folder = tmp_path_factory.mktemp("slurm")
    host, user = socket.gethostname().partition(".")[0], getpass.getuser()
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            ports.append(free.getsockname()[1])
    (folder / "slurm.conf").write_text(
        f"""ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
    )
    for name in ("state", "spool"):
        (folder / name).mkdir()
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    daemons = [subprocess.Popen([name, "-D"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for name in ("slurmctld", "slurmd")]  # fmt: skip
    try:
        wait_for(lambda: "idle" in ask("sinfo", "-h", "-o", "%T"), "an idle node", folder)
        yield folder
    finally:
        ask("scancel", "--user", user)
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(30)
        del os.environ["SLURM_CONF"]


def ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def wait_for(condition, what: str, folder: Path, seconds: float = 900) -> None:
    end = time.monotonic() + seconds
    while not condition():
        logs = [path.read_text()[-2000:] for path in folder.glob("*.log")]
        assert time.monotonic() < end, f"{what} did not come: {logs}"
        time.sleep(0.2)


@pytest.mark.slow
def test_slurm_runs_requeues_and_resumes_a_job_of_two_tasks(cluster, tmp_path):
    workdir, log = tmp_path / "run", cluster / "job.log"
    flags = (
        "--config=configs/smoke.py:stage_depths=(1,),widths=(8,),stem_width=8,data.image_size=8,"
        "train.steps=60,report.every_steps=1,eval.every_epochs=0.0,report.tensorboard=False",
        f"--workdir={workdir}",
    )
    job = subprocess.run(
        ["sbatch", "--parsable", "--nodes=1", "--ntasks=2", "--ntasks-per-node=2",
         f"--output={log}", "experiments/jobs/train.slurm", *flags],
        cwd=ROOT, env={**environment(), "PYTHON": sys.executable},
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    metrics = workdir / "metrics.jsonl"

    def steps() -> list[int]:
        text = metrics.read_text() if metrics.exists() else ""
        return [json.loads(line)["step"] for line in text.splitlines(keepends=True)
                if line.endswith("\n")]  # fmt: skip

    wait_for(lambda: len(steps()) >= 5, "the fifth step", cluster)
    # What --signal sends before the time is over.
    ask("scancel", "--signal=TERM", job)
    wait_for(lambda: "Restarts=1" in ask("scontrol", "show", "job", job), "the requeue", cluster)
    stopped = steps()[-1]
    assert 5 <= stopped < 60 and (workdir / "checkpoints" / str(stopped)).is_dir()
    # Slurm lets a requeued job wait for two minutes, and refuses one that starts within the second.
    wait_for(lambda: ask("squeue", "-h", "-j", job, "-o", "%T") == "PENDING", "the queue", cluster)
    ask("scontrol", "update", f"JobId={job}", "StartTime=now+10")
    wait_for(
        lambda: "JobState=COMPLETED" in ask("scontrol", "show", "job", job), "the end", cluster
    )
    assert steps() == list(range(1, 61))
    said = log.read_text()
    assert f"continuing from the checkpoint of step {stopped}" in said
    assert json.loads(said.splitlines()[-1])["examples"] == 256


@pytest.mark.slow
def test_slurm_runs_the_jobs_of_a_sweep(cluster, tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setattr(jobs, "command", lambda job: [sys.executable, "-c", job.configs[0]])
    waiting = [
        Job(("print('fine')",), (tmp_path / "fine",)),
        Job(("import sys; sys.exit('error: no data')",), (tmp_path / "fails",)),
    ]
    for job in waiting:
        job.workdirs[0].mkdir()
    slurm.run(waiting, 2, lambda running: None, tmp_path / "slurm", timeout_min=5,
              slurm_additional_parameters={"mem": 0})  # fmt: skip
    assert (tmp_path / "fine" / "log.txt").read_text() == "fine\n"
    assert records.read(tmp_path / "fails")["record"]["reason"] == "no data"
