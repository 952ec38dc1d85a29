"""Predicts, before TPUs are rented, whether a run fits them and how fast it can be.

python -m resnet_jax plan --config=configs/imagenet.py --topology=v5e:4x4,v5e:8x8,v4:2x2x4

A TPU's compiler runs on an ordinary machine (requirements-tpu.txt). The training step is compiled
once, for the four chips of --base, and the rows are predictions from that step; --exact compiles
every row. Compiled steps are kept for the next time. Without the compiler the step is only lowered.
"""

from pathlib import Path
from typing import Any

from absl import flags

from resnet_jax.verbs import shared_flags

FLAGS = flags.FlagValues()
_CONFIG = shared_flags.Configuration(FLAGS)
_TOPOLOGY = flags.DEFINE_list(
    "topology",
    ["v5e:4x4", "v5e:8x8", "v5e:16x16", "v4:2x2x4"],
    "Slices to compare, a comma between two.",
    flag_values=FLAGS,
)
_BATCH = flags.DEFINE_list(
    "batch", [], "Images in one update; by default the configuration's.", flag_values=FLAGS
)
_EXAMPLES = flags.DEFINE_integer(
    "examples",
    1_281_167,
    "Number of training examples, by default ImageNet's; the training set is not read.",
    flag_values=FLAGS,
)
_BASE = flags.DEFINE_string(
    "base", "v5e:2x2", "Slice for which the step is compiled.", flag_values=FLAGS
)
_BASE_IMAGES = flags.DEFINE_integer(
    "base_images", 64, "Images on each chip of --base.", lower_bound=1, flag_values=FLAGS
)
_EXACT = flags.DEFINE_bool(
    "exact", False, "Compile for every slice and batch: minutes each.", flag_values=FLAGS
)
_OUT = flags.DEFINE_string(
    "out", None, "Folder for the table (plan.json, plan.md) and the figure.", flag_values=FLAGS
)


def main() -> dict[str, Any]:
    """Prints the table, and returns its rows."""
    from resnet_jax.planning import results, slices
    from resnet_jax.planning.scaling import predict
    from resnet_jax.planning.step import NoCompiler, Step, batch_sizes

    config = _CONFIG.read()
    on = [slices.parse(text) for text in _TOPOLOGY.value]
    batches = batch_sizes(_BATCH.value, config)
    step = Step(config, _EXAMPLES.value)
    try:
        program = step.compiled(slices.parse(_BASE.value), _BASE_IMAGES.value)
    except NoCompiler as missing:
        lowered = step.lowered(batches[0])
        print(f"{missing}\nwithout it the step was only lowered, and nothing is predicted:")
        for platform, size in lowered.items():
            print(f"  {platform}: {size:,} bytes of StableHLO")
        return {"missing": "libtpu", "lowered": lowered, "rows": []}
    rows = [predict(program, slice_, batch) for slice_ in on for batch in batches]
    table = results.table(rows, step.hours)
    print(f"\n{table}\n", flush=True)
    if _EXACT.value:
        rows = [step.exactly(row) for row in rows]
        table = results.table(rows, step.hours)
        print(f"\n{table}\n", flush=True)
    result = {"program": program.__dict__, "rows": [row.as_dict() for row in rows]}
    if _OUT.value:
        results.write(Path(_OUT.value), table, result, program, on)
    return result
