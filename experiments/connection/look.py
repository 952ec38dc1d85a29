"""How gradients flow through every connection at first, and what a lost block costs afterwards.

    python experiments/connection/look.py --scale=small

For the deepest network of each row of sweep.py: the gradient by the parameters of every block
before the first update, and, where the run of seed 0 is finished, the test error without each
single block. Writes SCALE-look.json to --out after each row, and SCALE-look.svg and .png at the
end; rows that the file has already are not measured again.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from absl import flags
from matplotlib.figure import Figure

from resnet_jax.verbs.launch import launch

FLAGS = flags.FlagValues()
HERE = Path(__file__).parent
SCALE = flags.DEFINE_string("scale", "small", "Scale of the experiment.", flag_values=FLAGS)
RUNS = flags.DEFINE_string("runs", "runs/sweeps", "Folder of the runs.", flag_values=FLAGS)
OUT = flags.DEFINE_string("out", str(HERE / "results"), "Folder of the results.", flag_values=FLAGS)
EXAMPLES = flags.DEFINE_integer(
    "examples", 1_000, "Test images that tell the error without a block.", flag_values=FLAGS
)
BATCH = 128


def deepest(scale: str) -> Iterator[Any]:
    """The run with seed 0 of each connection in the deepest network of the scale."""
    from resnet_jax.sweeps import experiment

    found = experiment.tasks(experiment.load(HERE), scale, 1)
    last = found[-1].row.name.rpartition(" ")[2]
    yield from (task for task in found if task.row.name.endswith(f" {last}"))


def flow(task: Any) -> list[float]:
    """The norm of the gradient by the parameters of each block before the first update.

    Unlike gradients by the blocks' inputs, these compare between states of one image, of several
    streams and of all earlier outputs.
    """
    from resnet_jax.analysis.studies.gradient_flow import measure
    from resnet_jax.assembly import configuration, restored

    subject = restored.start(configuration.read(task.config)).subject()
    found = measure(subject.model, subject.variables, subject.examples("train", BATCH))
    return [float(f"{value:.6g}") for value in found.parameter_gradient]


def lesions(workdir: Path, examples: int) -> dict[str, float]:
    """Test error in percent of the whole network, and without each block that can be deleted."""
    from functools import partial

    from resnet_jax.analysis.blocks import names
    from resnet_jax.analysis.studies.lesion import apply_lesioned, deletable
    from resnet_jax.analysis.subject import evaluator
    from resnet_jax.assembly import restored

    subject = restored.load(workdir).subject()
    model, blocks = subject.model, names(subject.model)
    scores = evaluator(partial(apply_lesioned, model), subject.examples("test", examples))
    kept = {"whole": np.ones(len(blocks), bool)}
    for number in deletable(model, subject.variables, subject.image_shape):
        kept[str(blocks[number])] = np.arange(len(blocks)) != number
    return {
        name: round(100 * (1 - scores(subject.variables, mask)["top1"]), 3)
        for name, mask in kept.items()
    }


def draw(found: dict[str, dict[str, Any]]) -> Figure:
    """Gradients over the blocks, and the errors without a block beside those of whole networks."""
    from resnet_jax.reporting.drawing import STYLE

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 0.24 * len(found) + 2.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        colours = matplotlib.colormaps["tab20"]
        for number, (name, row) in enumerate(found.items()):
            gradients = np.array(row["gradient"])
            style = "-" if number < 20 else "--"
            left.plot(range(1, len(gradients) + 1), gradients, style,
                      color=colours(number % 20), linewidth=1.2, label=name)  # fmt: skip
            if row.get("error"):
                errors = dict(row["error"])
                right.plot(errors.pop("whole"), number, "|", color="#111", markersize=11)
                for block, error in errors.items():
                    opens = block.endswith("block1")
                    right.plot(error, number, "x" if opens else ".", markersize=4,
                               color="#c0504d" if opens else "#2b5c8a")  # fmt: skip
        left.set_yscale("log")
        left.set_xlabel("block")
        left.set_title("Gradient by a block's parameters, before training", loc="left")
        right.set_yticks(range(len(found)), list(found), fontsize=7)
        right.invert_yaxis()
        right.set_xlabel("test error without one block, % (x: one that opens a stage; |: whole)")
        right.set_title("Seed 0, trained", loc="left")
        figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=7)
    return figure


def main() -> dict[str, Any]:
    """Measures what is missing, and returns how many rows there are and how many are trained."""
    from resnet_jax.reporting.drawing import as_png, as_svg
    from resnet_jax.reporting.files import replace
    from resnet_jax.sweeps.records import Store

    out = Path(OUT.value)
    path = out / f"{SCALE.value}-look.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    store = Store(Path(RUNS.value), out / f"{SCALE.value}.json")
    found: dict[str, dict[str, Any]] = {}
    for task in deepest(SCALE.value):
        row = dict(known.get(task.row.name, {}))
        known_as = {"address": task.address, "examples": EXAMPLES.value}
        if {key: row.get(key) for key in known_as} != known_as:
            row = {**known_as, "gradient": flow(task), "error": None}
        workdir = store.workdir(task)
        if row["error"] is None and (workdir / "result.json").exists():
            record = store.find(task)
            if record is not None and record.status == "done":
                row["error"] = lesions(workdir, EXAMPLES.value)
        found[task.row.name] = row
        # Rows that are measured later stay in the file until then.
        replace(path, json.dumps({**known, **found}, indent=1) + "\n")
        print(f"{task.row.name}: {'trained' if row['error'] else 'before training'}", flush=True)
    figure = draw(found)
    replace(path.with_suffix(".svg"), as_svg(figure))
    replace(path.with_suffix(".png"), as_png(figure))
    return {
        "rows": len(found),
        "trained": sum(row["error"] is not None for row in found.values()),
        "file": str(path),
    }


if __name__ == "__main__":
    import sys

    launch(sys.modules[__name__])
