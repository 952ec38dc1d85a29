"""What accelerator.py checks beside the clock: equal bits of equal runs, and the peers' logits."""

import hashlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from sides import ROOT
from works import ON_A_CARD, Work

PHOTOGRAPHS = 512
DIGITS = ["--config=configs/digits.py", "--config.train.epochs=8.0"]


def checked(scratch: Path, chosen: Callable[[str], bool]) -> Iterator[tuple[str, Any]]:
    """Runs the chosen checks at one time; yields each one's name and result as it ends."""
    with ThreadPoolExecutor() as pool:
        ends = {pool.submit(check, scratch): name for name, check in CHECKS.items() if chosen(name)}
        for end in as_completed(ends):
            yield ends[end], end.result()


def equal_runs(scratch: Path) -> dict[str, Any]:
    """Two runs of the digits, and one that is killed in mid-run and resumed."""
    begun = [_begin(scratch / f"digits{number}", DIGITS) for number in range(3)]
    _kill_after_a_checkpoint(begun[2], scratch / "digits2")
    for process in begun:
        process.wait()
    _begin(scratch / "digits2", DIGITS).wait()
    first, second, resumed = (_bits(scratch / f"digits{number}") for number in range(3))
    return {"two runs equal": first == second, "killed and resumed equal": first == resumed}


def equal_imagenet_runs(scratch: Path) -> dict[str, Any]:
    """Twelve steps of ResNet-50 in bfloat16 on made-up images, twice."""
    work = ON_A_CARD["resnet50_256"]
    flags = [
        f"--config=configs/imagenet.py:synthetic,batch={min(work.batch, 64)},dtype=bfloat16",
        f"--config.data.image_size={work.size}", "--config.train.steps=12",
        "--config.schedule.warmup_epochs=0.0",
    ]  # fmt: skip
    processes = [_begin(scratch / f"imagenet{number}", flags) for number in range(2)]
    for process in processes:
        process.wait()
    first, second = (_bits(scratch / f"imagenet{number}") for number in range(2))
    return {"two runs equal": first == second}


def peers_logits(_: Path) -> str:
    """The last line of the tests that compare with PyTorch's logits, in full precision."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "tests/models/test_peers.py"]
    environment = {**os.environ, "JAX_DEFAULT_MATMUL_PRECISION": "highest"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[-1] if lines else f"status {done.returncode}"


CHECKS: dict[str, Callable[[Path], Any]] = {
    "digits, float32: equal bits": equal_runs,
    "ResNet-50, bfloat16: equal bits": equal_imagenet_runs,
    "peers' logits, highest precision": peers_logits,
}


def made_up_photographs(scratch: Path, work: Work) -> str:
    """Makes JPEGs of smooth colours in two classes and the copy that `prepare` makes of them."""
    import numpy as np
    from PIL import Image

    draw = np.random.default_rng(0)
    for number in range(max(PHOTOGRAPHS, 2 * work.batch)):
        coarse = Image.fromarray(draw.integers(0, 256, (24, 32, 3), np.uint8))
        path = scratch / "photographs" / "train" / f"class{number % 2}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        coarse.resize((500, 375), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        path.write_bytes(buffer.getvalue())
    subprocess.run(
        [sys.executable, "-m", "resnet_jax", "prepare", str(scratch / "photographs"),
         str(scratch / "prepared"), "--splits=train"], cwd=ROOT, check=True,
        stdout=subprocess.DEVNULL, env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )  # fmt: skip
    return str(scratch / "prepared")


def _begin(workdir: Path, flags: list[str]) -> subprocess.Popen:
    command = [sys.executable, "-m", "resnet_jax.main", *flags, f"--workdir={workdir}"]
    return subprocess.Popen(
        [*command, "--config.report.page=False"], cwd=ROOT,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        # Each has a cache of its own, so that equal bits are not one program's.
        env={**os.environ, "XDG_CACHE_HOME": f"{workdir}_cache"},
    )  # fmt: skip


def _kill_after_a_checkpoint(process: subprocess.Popen, workdir: Path) -> None:
    lines = workdir / "metrics.jsonl"
    while process.poll() is None:
        if lines.is_file() and len(lines.read_text().splitlines()) >= 3:
            process.send_signal(signal.SIGKILL)
            return
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue


def _bits(workdir: Path) -> str | None:
    """A hash of the trained network's tensors; None where the run failed."""
    file = workdir.with_suffix(".safetensors")
    command = [sys.executable, "-m", "resnet_jax", "export", str(file), f"--workdir={workdir}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "JAX_PLATFORMS": "cpu"})  # fmt: skip
    return hashlib.sha256(file.read_bytes()).hexdigest() if done.returncode == 0 else None
