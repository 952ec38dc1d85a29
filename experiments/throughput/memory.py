"""Peak memory of five works under mimalloc, which verbs restart with, and under glibc's malloc.

    python experiments/throughput/memory.py [WORD ...]    # works whose name has one of these words

Counted is all memory of a verb and of the processes that it starts, every tenth of a second; what
processes share counts once. Results: results/memory.json and memory.md. Other processes beside this
one do not change the figures.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import simplejpeg
from sides import ROOT

from resnet_jax.runtime import memory

RESULTS = Path(__file__).parent / "results"
QUIET = "report.page=False,report.tensorboard=False"
CIFAR = (
    "configs/cifar10.py:depth=20,data.source=synthetic,data.image_size=32,data.classes=10,"
    f"data.examples=10_000,train.steps=300,schedule.warmup_epochs=0.0,{QUIET}"
)
IMAGENET = f"configs/imagenet.py:schedule.warmup_epochs=0.0,eval.every_epochs=0.0,{QUIET}"
WORKS = {
    "ResNet-20, batch 128: 300 steps, evaluations and saves": f"main --config={CIFAR}",
    "ResNet-50, 224 px, batch 16: 6 steps": (
        f"main --config={IMAGENET},data.source=synthetic,data.image_size=224,data.classes=1_000,"
        "data.examples=64,train.batch_size=16,train.steps=6,eval.batch_size=16"
    ),
    "Photographs from two workers, batch 64: 100 steps of a small network": (
        f"main --config={IMAGENET},data.source=folder,data.workers=2,stage_depths=(1,),widths=(8,),"
        "stem_width=8,train.batch_size=64,train.steps=100,eval.batch_size=64"
        " --config.data.dir={folder}/photographs"
    ),
    "ResNet-20 of width 4, batch 128: 8 members of one program, 60 steps": (
        "sweep {folder}/members --scale=small --vectorize=seeds"
    ),
    "Digits: 460 steps and the page": "main --config=configs/digits.py",
}
MEMBERS = f"""
from resnet_jax.sweeps.experiment import Row
TITLE = SOURCE = "memory"
BASES = {{"small": "{CIFAR[8 : -len(QUIET) - 1].replace(".py:", ":").replace("=300", "=60")},\
width_factor=0.25,{QUIET}"}}
SEEDS = {{"small": 8}}
def rows(scale):
    yield Row("A", "shortcut=A")
"""


def prepare(folder: Path) -> None:
    """Writes photographs of 500x375 pixels, 128 for each of two splits, and an experiment."""
    draw = np.random.default_rng(0)
    for split in ("train", "validation"):
        for number in range(128):
            path = folder / "photographs" / split / f"class{number % 4}" / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            coarse = draw.integers(0, 256, (25, 20, 3), np.uint8)
            image = np.ascontiguousarray(coarse.repeat(15, 0).repeat(25, 1))
            path.write_bytes(simplejpeg.encode_jpeg(image, quality=90))
    (folder / "members").mkdir()
    (folder / "members" / "sweep.py").write_text(MEMBERS)


def family(process: int) -> list[int]:
    """The process and all that it has started."""
    found = [process]
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        found += [child for text in _text(children).split() for child in family(int(text))]
    return found


def used(process: int) -> int:
    """Bytes in memory of the process and of all that it has started."""
    lines = [line for one in family(process)
             for line in _text(Path(f"/proc/{one}/smaps_rollup")).splitlines()]  # fmt: skip
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process has ended
        return ""


def peak(verb: Sequence[str], environment: dict[str, str]) -> int:
    """The most bytes that the verb had in memory at once."""
    own = {key: value for key, value in os.environ.items() if key not in environment}
    # With glibc's setting in the environment a verb does not restart itself.
    process = subprocess.Popen(
        [sys.executable, "-m", *verb], cwd=ROOT, stdout=subprocess.DEVNULL,
        env={**own, "JAX_PLATFORMS": "cpu", **environment},
    )  # fmt: skip
    most = 0
    while process.poll() is None:
        most = max(most, used(process.pid))
        time.sleep(0.1)
    if process.returncode:
        sys.exit(f"{' '.join(verb)} ended with status {process.returncode}")
    return most


def main() -> None:
    path = RESULTS / "memory.json"
    found = json.loads(path.read_text()) if path.is_file() else {}
    if memory.library() is None:
        sys.exit("cmeel-mimalloc is not installed: pip install -r requirements.txt")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for number, (work, verb) in enumerate(WORKS.items()):
            if sys.argv[1:] and not any(word in work for word in sys.argv[1:]):
                continue
            found[work] = {}
            for allocator, environment in (("glibc", memory.GLIBC), ("mimalloc", {})):
                name, *flags = shlex.split(verb.format(folder=folder))
                runs = f"{folder}/{number}-{allocator}"
                module = ["resnet_jax.main", f"--workdir={runs}"]
                if name == "sweep":
                    module = ["resnet_jax", "sweep", f"--runs={runs}"]
                found[work][allocator] = peak([*module, *flags], environment)
            print(work, found[work], flush=True)
            path.write_text(json.dumps(found, indent=1) + "\n")
            (RESULTS / "memory.md").write_text(table(found))


def table(found: dict[str, dict[str, int]]) -> str:
    lines = ["| work | glibc, GB | mimalloc, GB | ratio |", "|---|---|---|---|"]
    for work in (work for work in WORKS if work in found):
        one, other = found[work]["glibc"], found[work]["mimalloc"]
        lines.append(f"| {work} | {one / 1e9:.2f} | {other / 1e9:.2f} | {other / one:.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
