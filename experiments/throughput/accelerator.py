"""All that is to be measured on one GPU or TPU, in one command of about four minutes.

    python experiments/throughput/accelerator.py            # or --only='ResNet-50' --out=FOLDER

It needs a checkout, JAX for the card and, for the peer, PyTorch; no network and no data. All sides
compile side by side, each in a process of its own; then they are measured one at a time. Meanwhile
equal runs, and one that is killed and resumed, are compared bit for bit. Results are written as
they come: CARD.json and the table CARD.md in results/accelerators. A missing peer is named.

THROUGHPUT_SMALL=1 makes all works tiny, to try the command where there is no card.
"""

import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cards
import exactness
from absl import app, flags
from sides import ROOT, Failed, Side, seconds_to_line
from works import ON_A_CARD

FOLDER = Path(__file__).parent

ONLY = flags.DEFINE_list("only", [], "Words in the names of what is measured; by default all.")
OUT = flags.DEFINE_string("out", str(FOLDER / "results" / "accelerators"), "Folder of the results.")
NAME = flags.DEFINE_string("name", None, "Of the files; by default the card's.")
TIMES = flags.DEFINE_integer("times", 4, "Measurements of each side.", lower_bound=1)

OURS, FLAX, EAGER, COMPILED = "resnet_jax", "Flax example", "PyTorch eager", "torch.compile"
JAX, TORCH = "accelerator_side.py", "pytorch.py"


def against_peers(work: str) -> dict[str, tuple[str, ...]]:
    return {
        OURS: (JAX, work, "resnet_jax"), FLAX: (JAX, work, "flax"),
        EAGER: (TORCH, work, "eager"), COMPILED: (TORCH, work, "compile"),
    }  # fmt: skip


def measurements(photographs: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """What is measured: the sides of each, the first of which is divided by the others."""
    return {
        "ResNet-50, bfloat16, batch 256: training step": against_peers("resnet50_256"),
        "ResNet-50, bfloat16, batch 512: training step": against_peers("resnet50_512"),
        "ResNet-50, bfloat16, batch 256: inference": against_peers("resnet50_inference_256"),
        "ResNet-50, bfloat16, batch 256: the whole loop": {
            "made-up images": (JAX, "resnet50_loop_256", "resnet_jax"),
            "photographs, prepared copy": (
                JAX, "resnet50_photographs_256", "resnet_jax", photographs,
            ),
        },
        "ResNet-20, batch 128: training": {
            "bfloat16": (JAX, "resnet20_128", "resnet_jax"),
            "float32": (JAX, "resnet20_128_float32", "resnet_jax"),
            "8 members together, bfloat16": (JAX, "resnet20_128_8_members", "resnet_jax"),
            "32 members together, bfloat16": (JAX, "resnet20_128_32_members", "resnet_jax"),
            "PyTorch eager, bfloat16": (TORCH, "resnet20_128", "eager"),
            "torch.compile with CUDA graphs, bfloat16": (TORCH, "resnet20_128", "compile"),
        },
    }  # fmt: skip


def missing(script: str) -> str | None:
    """Why a side can't be measured here."""
    if script != TORCH:
        return None
    small = bool(os.environ.get("THROUGHPUT_SMALL"))
    code = f"import sys, torch; sys.exit(not ({small} or torch.cuda.is_available()))"
    status = subprocess.run([sys.executable, "-c", code], capture_output=True).returncode
    return "PyTorch for this card is not installed" if status else None


class Record:
    """The results so far, written anew after each of them."""

    def __init__(self, path: Path, facts: dict[str, Any]):
        self._path, self._found = path, {"facts": facts, "measured": {}, "checks": {}}
        path.parent.mkdir(parents=True, exist_ok=True)

    def put(self, kind: str, name: str, value: Any) -> None:
        self._found[kind][name] = value
        self._path.write_text(json.dumps(self._found, indent=1) + "\n")
        self._path.with_suffix(".md").write_text(cards.table(self._found))
        print(f"{time.strftime('%H:%M:%S')} {name}: {json.dumps(value)}", flush=True)


def measure(sides: dict[str, Any]) -> dict[str, Any]:
    """Measures the sides of one work, one after another; each gives the card back."""
    found: dict[str, Any] = {"measured": {}, "facts": {}, "left out": {}}
    for label, side in sides.items():
        if isinstance(side, str):
            found["left out"][label] = side
            continue
        try:
            found["measured"][label] = [side.measure() for _ in range(TIMES.value)]
            found["facts"][label] = side.facts
        except Failed as error:
            found["left out"][label] = str(error)
        side.close()
    found["median"] = {
        label: statistics.median(values) for label, values in found["measured"].items()
    }
    return found


def begun(script: Sequence[str]) -> Side | str:
    """Starts a side; a sentence where it can't be."""
    command = [sys.executable, FOLDER / script[0], *script[1:]]
    return missing(script[0]) or Side(command, os.environ)


def ready(side: Side | str) -> Side | str:
    try:
        return side if isinstance(side, str) else side.ready()
    except Failed as error:
        return str(error)


def first_steps(scratch: Path) -> dict[str, float]:
    """Seconds from the command to the first step of ResNet-50: without a cache, then with one."""
    work = ON_A_CARD["resnet50_256"]
    config = f"configs/imagenet.py:synthetic,batch={work.batch},dtype=bfloat16"
    command = [
        sys.executable, "-m", "resnet_jax.main", f"--config={config}",
        f"--config.data.image_size={work.size}", "--config.train.steps=2",
        "--config.schedule.warmup_epochs=0.0",
        "--config.report.every_steps=1", "--config.report.page=False",
    ]  # fmt: skip
    environment = {**os.environ, "XDG_CACHE_HOME": str(scratch / "cache")}
    return {
        cache: seconds_to_line([*command, f"--workdir={scratch / cache}"], "step 1/2", environment)
        for cache in ("cold", "warm")
    }


def chosen(name: str) -> bool:
    return not ONLY.value or any(word in name for word in ONLY.value)


def main(_: Sequence[str]) -> None:
    # Processes share the card's memory.
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    facts = cards.facts() | {
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "commit": cards.commit(ROOT),
        "cores": len(os.sched_getaffinity(0)),
    }
    scratch = Path(tempfile.mkdtemp(prefix="resnet_jax_accelerator_"))
    record = Record(Path(OUT.value) / f"{NAME.value or cards.file_name(facts)}.json", facts)
    try:
        photographs = exactness.made_up_photographs(scratch, ON_A_CARD["resnet50_256"])
        works = {name: sides for name, sides in measurements(photographs).items() if chosen(name)}
        running = {
            name: {label: begun(script) for label, script in sides.items()}
            for name, sides in works.items()
        }
        for name, result in exactness.checked(scratch, chosen):
            record.put("checks", name, result)
        sides = {
            name: {label: ready(side) for label, side in labels.items()}
            for name, labels in running.items()
        }
        for name, labels in sides.items():
            record.put("measured", name, measure(labels))
        if chosen("first step"):
            record.put("checks", "seconds to the first step", first_steps(scratch))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    app.run(main)
