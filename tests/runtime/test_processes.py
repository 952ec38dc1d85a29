"""What is process-wide is changed by the command line alone; and the processes of a run.

Two processes with two devices each, over loopback, are one run.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import photographs
import pytest
from command_line import ROOT, command, environment, run

from resnet_jax import runtime
from resnet_jax.assembly import Assembly, configuration, run_folder
from resnet_jax.tables import UserError
from resnet_jax.training.meter import TIMES
from resnet_jax.verbs import launch
from resnet_jax.verbs import train as verb

STEPS = 40
FLAGS = (
    "--config=configs/smoke.py:stage_depths=(1,),widths=(32,),stem_width=16,width_factor=1.0,"
    f"data.image_size=8,dtype=float64,train.steps={STEPS},train.ema_decay=0.9,dropout=0.1,"
    "report.every_steps=1,report.tensorboard=False,eval.every_epochs=0.0,eval.batch_size=100,"
    "checkpoint.every_epochs=0.5,mesh.shard_state=True",
)


def test_importing_and_calling_the_package_changes_nothing_in_the_process(tmp_path):
    done = subprocess.run(
        [sys.executable, "tests/as_a_library.py", str(tmp_path)],
        cwd=ROOT, env={**environment(), "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"imported": [], "trained": []}


def test_a_library_user_turns_64_bits_on_herself():
    config = configuration.read("configs/smoke.py:dtype=float64")
    with pytest.raises(UserError, match=r"call jax.config.update\('jax_enable_x64', True\) first"):
        Assembly(config)
    with jax.enable_x64(True):
        assert Assembly(config).abstract_state.params["head"]["kernel"].dtype == "float64"


def start(
    workdir: Path, *flags: str, config: tuple[str, ...] = FLAGS, processes: int = 2
) -> list[subprocess.Popen]:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    peers = (f"--coordinator=localhost:{port}", f"--processes={processes}", "--peer_timeout=60")
    return [
        subprocess.Popen(
            command("main", *config, f"--workdir={workdir}", *peers, f"--process={number}", *flags),
            cwd=ROOT,
            env=environment(devices=2),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]


def finish(processes: list[subprocess.Popen]) -> list[tuple[int, str, str]]:
    """Status, output and errors of every process, once all have ended."""
    try:
        ends = [process.communicate(timeout=1_200) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *end) for process, end in zip(processes, ends, strict=True)]


def lines(workdir: Path) -> list[dict]:
    path = workdir / "metrics.jsonl"
    if not path.exists():
        return []
    text = path.read_text().splitlines(keepends=True)
    found = [json.loads(line) for line in text if line.endswith("\n")]
    return [{name: line[name] for name in line if name not in TIMES} for line in found]


def signal_at(step: int, workdir: Path, processes: list[subprocess.Popen], number: int) -> None:
    """Sends the second process a signal once the run has written the line of this step."""
    while len(lines(workdir)) < step and all(process.poll() is None for process in processes):
        time.sleep(0.01)
    os.kill(processes[1].pid, number)


def state(workdir: Path) -> list[np.ndarray]:
    with jax.enable_x64(True):
        assembly = Assembly(run_folder.load(workdir))
        with assembly.checkpoints(workdir) as checkpoints:
            found = checkpoints.restore(assembly.abstract_state)
        assert int(found.step) == STEPS
        return jax.tree.leaves(jax.device_get(found))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run of two processes, one that was stopped and killed on its way, and one of one process.

    What the processes said as they ended lies beside, as JSON.
    """
    folder = tmp_path_factory.mktemp("processes")
    (folder / "together.txt").write_text(json.dumps(finish(start(folder / "together"))))
    processes = start(folder / "stopped")
    signal_at(6, folder / "stopped", processes, signal.SIGTERM)
    (folder / "terminated.txt").write_text(json.dumps(finish(processes)))
    steps = sorted(int(path.name) for path in (folder / "stopped/checkpoints").glob("[0-9]*"))
    (folder / "steps.txt").write_text(json.dumps(steps))
    processes = start(folder / "stopped")
    signal_at(steps[-1] + 6, folder / "stopped", processes, signal.SIGKILL)
    begun = time.monotonic()
    killed = finish(processes)
    (folder / "killed.txt").write_text(json.dumps([killed, time.monotonic() - begun]))
    (folder / "continued.txt").write_text(json.dumps(finish(start(folder / "stopped"))))
    (folder / "alone.txt").write_text(json.dumps(run("main", *FLAGS, f"--workdir={folder}/alone")))
    return folder


def said(folder: Path, name: str):
    return json.loads((folder / f"{name}.txt").read_text())


@pytest.mark.slow
def test_two_processes_compute_what_one_does(folder):
    alone, together = lines(folder / "alone"), lines(folder / "together")
    assert [line["step"] for line in together] == list(range(1, STEPS + 1))
    for one, two in zip(alone, together, strict=True):
        assert two["train/loss"] == pytest.approx(one["train/loss"], rel=1e-9)
    assert together[-1]["eval/examples"] == alone[-1]["eval/examples"] == 256
    assert together[-1]["eval/top1"] == alone[-1]["eval/top1"]
    assert together[-1]["eval/top5"] == alone[-1]["eval/top5"]


@pytest.mark.slow
def test_the_first_process_alone_speaks(folder):
    (first, output, _), (second, silence, errors) = said(folder, "together")
    assert (first, second) == (0, 0)
    # Gloo's threads write parts of their lines apart, so that some are empty.
    own = re.compile("Gloo|peer ranks")
    assert not [line for line in silence.splitlines() if line and not own.search(line)]
    assert json.loads(output.splitlines()[-1])["examples"] == 256
    assert not [line for line in errors.splitlines() if line and not own.search(line)]


@pytest.mark.slow
def test_one_process_restores_what_two_saved(folder):
    """A checksum over whole arrays guards every restore; the states agree beside."""
    for one, two in zip(state(folder / "alone"), state(folder / "together"), strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-7, atol=1e-12)


@pytest.mark.slow
def test_sigterm_to_one_process_saves_the_same_step_on_both(folder):
    (first, output, _), (second, _, _) = said(folder, "terminated")
    assert (first, second) == (0, 0)
    stopped = json.loads(output.splitlines()[-1])
    assert stopped["stopped"] == "SIGTERM" and 6 <= stopped["step"] < STEPS
    assert said(folder, "steps")[-1] == stopped["step"]


@pytest.mark.slow
def test_a_killed_process_ends_the_other_with_a_sentence(folder):
    ((first, _, errors), (second, _, _)), seconds = said(folder, "killed")
    assert second == -signal.SIGKILL and first == 2 and seconds < 60
    last = errors.splitlines()[-1]
    assert re.match("error: another process of the run has stopped or can't be reached", last)
    assert "goes on from its last checkpoint" in last


@pytest.mark.slow
def test_the_interrupted_run_equals_the_other_bit_for_bit(folder):
    assert [status for status, _, _ in said(folder, "continued")] == [0, 0]
    assert lines(folder / "stopped") == lines(folder / "together")
    for one, other in zip(state(folder / "stopped"), state(folder / "together"), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_photographs_that_two_processes_stream_are_those_that_one_does(tmp_path):
    """Nine images in batches of four, evaluated seven at a time: neither divides them."""
    for split in ("train", "validation"):
        photographs.write(tmp_path / "images", split)
    config = (
        "--config=configs/imagenet.py:stage_depths=(1,),widths=(8,),stem_width=8,dtype=float64,"
        "data.source=folder,data.image_size=16,data.workers=1,data.repeats=2,train.batch_size=4,"
        "train.steps=5,schedule.warmup_epochs=0.0,optim.rate=0.1,eval.batch_size=7,"
        "report.every_steps=1,report.tensorboard=False,report.page=False",
        f"--config.data.dir={tmp_path / 'images'}",
    )
    ends = finish(start(tmp_path / "together", config=config))
    assert [status for status, _, _ in ends] == [0, 0], ends
    run("main", *config, f"--workdir={tmp_path / 'alone'}")
    alone, together = lines(tmp_path / "alone"), lines(tmp_path / "together")
    assert len(together) == 5 and together[-1]["eval/examples"] == 9
    for one, two in zip(alone, together, strict=True):
        measured = {name: value for name, value in one.items() if value is not None}
        assert {name: two[name] for name in measured} == pytest.approx(measured, rel=1e-9)


@pytest.mark.slow
def test_a_peer_that_is_missing_is_missed(tmp_path):
    flags = ("--coordinator=localhost:1", "--processes=2", "--process=1", "--start_timeout=2")
    done = subprocess.run(
        command("main", *FLAGS, f"--workdir={tmp_path}", *flags),
        cwd=ROOT, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "error: not all processes of the run met within 2 s" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--processes=2",), "give all of --coordinator=HOST:PORT, --processes=N and --process=K"),
        (("--coordinator=x:1", "--processes=2", "--process=2"), "counted from 0"),
    ],
)
def test_flags_that_do_not_name_a_process(tmp_path, monkeypatch, capsys, flags, sentence):
    monkeypatch.setattr(runtime, "prepare", lambda: None)
    with pytest.raises(SystemExit) as ended:
        launch.launch(verb, [FLAGS[0], f"--workdir={tmp_path}", *flags])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and sentence in line
