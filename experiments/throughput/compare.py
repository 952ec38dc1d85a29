"""This project beside its peers, on the same work, in turns.

    python experiments/throughput/compare.py --peers=PATH/TO/python

Every side is a process of its own that stays alive; in each round every side measures once, one
after the other, so that a machine that slows down slows all of them. A ratio is taken within each
round, and the median over the rounds is reported. Results: results/throughput.json, .md, .svg; what
is measured takes the place of the same comparison there, and the others stay.
"""

import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import app, flags
from report import write
from sides import Side, seconds_to_line
from works import THREADS, WORKS

from resnet_jax.runtime import memory

FOLDER = Path(__file__).parent

REPEATS = flags.DEFINE_integer("repeats", 5, "Rounds.", lower_bound=2)
ONLY = flags.DEFINE_multi_string("only", [], "A part of comparisons' names; by default all.")
PEERS = flags.DEFINE_string("peers", sys.executable, "Python that has requirements-peers.txt.")
TENSORFLOW = flags.DEFINE_string("tensorflow", sys.executable, "Python that has TensorFlow.")
OUT = flags.DEFINE_string("out", str(FOLDER / "results"), "Folder of the results.")

OURS, EAGER, COMPILED, FLAX = "resnet_jax", "PyTorch eager", "torch.compile", "Flax example"
OURS_GLIBC, EAGER_MIMALLOC = "resnet_jax, glibc's malloc", "PyTorch eager, mimalloc"
OURS_AVX2, EAGER_AVX2 = "resnet_jax, AVX2", "PyTorch eager, AVX2"
PREPARED = "resnet_jax, prepared copy"
PILLOW, JPEG = "torchvision DataLoader, Pillow", "torchvision DataLoader, decode_jpeg"
TFDATA = "tf.data, decode_and_crop_jpeg"
SCRIPTS = {OURS: ("ours.py",), EAGER: ("pytorch.py", "eager"), COMPILED: ("pytorch.py", "compile"),
           FLAX: ("flax_example.py",), PREPARED: ("ours.py", "prepared"),
           PILLOW: ("pytorch.py", "pillow"), JPEG: ("pytorch.py", "jpeg"),
           TFDATA: ("tfdata.py",), OURS_GLIBC: ("ours.py",), OURS_AVX2: ("ours.py",),
           EAGER_MIMALLOC: ("pytorch.py", "eager"),
           EAGER_AVX2: ("pytorch.py", "eager")}  # fmt: skip
# What `python -m resnet_jax` restarts with; every other project runs as it is installed.
LIBRARY = memory.library()
if LIBRARY is None:
    sys.exit("cmeel-mimalloc is not installed: pip install -r requirements.txt")
MIMALLOC = memory.preloading(LIBRARY)
AVX2 = {"XLA_FLAGS": "--xla_cpu_max_isa=AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2"}  # fmt: skip
SETTINGS = {OURS: MIMALLOC, PREPARED: MIMALLOC, OURS_GLIBC: memory.GLIBC,
            EAGER_MIMALLOC: MIMALLOC, OURS_AVX2: MIMALLOC | AVX2, EAGER_AVX2: AVX2}  # fmt: skip
WITH_ALLOCATORS = (OURS, EAGER, OURS_GLIBC, EAGER_MIMALLOC)

# Each comparison: what is measured, by label. The first label is divided by the others.
COMPARISONS: dict[str, dict[str, tuple[str, str]]] = {
    "ResNet-20, 32 px, batch 128: training step": {
        side: (side, "resnet20_train") for side in (*WITH_ALLOCATORS, COMPILED)
    },
    "ResNet-20, 32 px, batch 128: training step, held to AVX2": {
        side: (side, "resnet20_train") for side in (OURS_AVX2, EAGER_AVX2)
    },
    "ResNet-20, 32 px, batch 128: inference": {
        side: (side, "resnet20_inference") for side in (OURS, EAGER, COMPILED)
    },
    "ResNet-50, 224 px, batch 16: training step": {
        side: (side, "resnet50_train") for side in (*WITH_ALLOCATORS, COMPILED, FLAX)
    },
    "ResNet-50, 224 px, batch 16: training step, held to AVX2": {
        side: (side, "resnet50_train") for side in (OURS_AVX2, EAGER_AVX2)
    },
    "ResNet-50, 224 px, batch 16: inference": {
        side: (side, "resnet50_inference") for side in (OURS, EAGER, COMPILED, FLAX)
    },
    "ResNet-20: the whole loop, and its bare step": {
        "loop": (OURS, "resnet20_loop"),
        "bare step": (OURS, "resnet20_bare"),
    },
    "CIFAR input: crop, flip, normalise": {
        OURS: (OURS, "cifar_input"),
        "PyTorch DataLoader": (EAGER, "cifar_input"),
    },
    "ImageNet input: random crop, flip": {
        side: (side, "photographs") for side in (OURS, PILLOW, JPEG, TFDATA)
    },
    "ImageNet input from the prepared copy": {
        side: (side, "photographs") for side in (PREPARED, OURS, PILLOW, JPEG, TFDATA)
    },
    "ResNet-20: compiling the training step": {
        OURS: (OURS, "resnet20_compile"),
        COMPILED: (COMPILED, "resnet20_compile"),
    },
    "ResNet-50: compiling the training step": {
        side: (side, "resnet50_compile") for side in (OURS, COMPILED, FLAX)
    },
    "Scanned blocks: compiling ResNet-1001 and -110": {
        "ResNet-1001": (OURS, "resnet1001_compile"),
        "ResNet-110": (OURS, "resnet110_compile"),
    },
}
# While other sides measure, a side's allocator gives back what is free, and training has no such
# pause: so steps are measured behind as many that are not.
STEPS = ("train", "inference")
# Arguments of `main`, and how the line begins that ends the measurement.
COMMANDS = {
    "Start: main --help": ("--help", ""),
    "Start: digits to the first step, warm cache": (
        "--config=configs/digits.py", "--workdir={}", "--config.train.steps=2",
        "--config.schedule.warmup_epochs=0.0", "--config.report.every_steps=1",
        "--config.report.page=False", "step 1/2",
    ),
}  # fmt: skip


def side(name: str, work: str) -> Side:
    """Starts a side, and waits until it can measure."""
    script = SCRIPTS[name]
    pythons = {"pytorch.py": PEERS.value, "tfdata.py": TENSORFLOW.value}
    python = pythons.get(script[0], sys.executable)
    command = [python, FOLDER / script[0], work, *script[1:]]
    return Side(command, environment() | SETTINGS.get(name, {})).ready()


def environment() -> dict[str, str]:
    """Peers and this project share the same cores, and JAX does not look for accelerators."""
    return {**os.environ, "OMP_NUM_THREADS": str(THREADS), "JAX_PLATFORMS": "cpu"}


def compare(sides: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Measures all sides in turns."""
    running = {label: side(name, work) for label, (name, work) in sides.items()}
    measured: dict[str, list[float]] = {label: [] for label in sides}
    labels = list(sides)
    for number in range(REPEATS.value):
        # Another side begins each round, so that none always follows the same one.
        turn = number % len(labels)
        for label in labels[turn:] + labels[:turn]:
            if WORKS[sides[label][1]].kind in STEPS:
                running[label].measure()
            measured[label].append(running[label].measure())
    facts = {label: one.facts for label, one in running.items()}
    peaks = {label: one.peak_memory() for label, one in running.items()}
    for one in running.values():
        one.close()
    unit = WORKS[next(iter(sides.values()))[1]].unit
    return summary(measured, unit, facts) | {"peak_memory": peaks}


def start(arguments: Sequence[str]) -> dict[str, Any]:
    """Measures a command of this project from its start to a line, after one unmeasured time."""
    *arguments, beginning = arguments
    seconds = []
    for number in range(REPEATS.value + 1):
        workdir = f"/tmp/resnet_jax_throughput_{os.getpid()}_{number}"
        verb = [sys.executable, "-m", "resnet_jax.main", *(a.format(workdir) for a in arguments)]
        seconds.append(seconds_to_line(verb, beginning, environment()))
    return summary({OURS: seconds[1:]}, "s", {})


def summary(measured: dict[str, list[float]], unit: str, facts: dict[str, Any]) -> dict[str, Any]:
    first, *others = measured
    ratios = {
        other: [one / two for one, two in zip(measured[first], measured[other], strict=True)]
        for other in others
    }
    return {
        "unit": unit,
        "measured": measured,
        "median": {label: statistics.median(values) for label, values in measured.items()},
        "ratio": {label: statistics.median(values) for label, values in ratios.items()},
        "ratios": ratios,
        "facts": facts,
    }


def machine() -> dict[str, Any]:
    model = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {"processor": model[0].partition(": ")[2], "cores": os.cpu_count(),
            "system": platform.platform()}  # fmt: skip


def main(_: Sequence[str]) -> None:
    path = Path(OUT.value) / "throughput.json"
    results = json.loads(path.read_text())["results"] if path.is_file() else {}
    works = {**COMPARISONS, **COMMANDS}
    for name, sides in works.items():
        if not ONLY.value or any(word in name for word in ONLY.value):
            found = compare(sides) if isinstance(sides, dict) else start(sides)
            results[name] = found | {"machine": machine()}
            print(name, found["median"], found["ratio"], flush=True)
            ordered = {work: results[work] for work in works if work in results}
            write({"results": ordered}, path.parent)


if __name__ == "__main__":
    app.run(main)
