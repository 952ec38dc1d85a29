"""Predicts, before TPUs or GPUs are rented, whether a run fits them and how fast it can be.

python -m resnet_jax plan --config=imagenet --topology=v5e:4x4,v5e:8x8,v4:2x2x4
python -m resnet_jax plan --config=imagenet --topology=h100:8,a100:16 --batch=1024,4096

Their compilers run on an ordinary machine (the extras tpu and cuda-compiler).
The training step is compiled once for each generation of TPU and each card, and the rows are
predictions from these steps; --exact compiles every row. Compiled steps are kept for the next time.
Without the compiler the step is only lowered.
"""

from typing import Any

from absl import flags

from resnet_jax.verbs import shared_flags

FLAGS = flags.FlagValues()
_CONFIG = shared_flags.Configuration(FLAGS)
_TOPOLOGY = flags.DEFINE_list(
    "topology",
    ["v5e:4x4", "v5e:8x8", "v5e:16x16", "v4:2x2x4"],
    "TPU slices, or NVIDIA cards as a100:8, h100:8, h200:16, b200:8, to compare, a comma between"
    " two.",
    flag_values=FLAGS,
)
_BATCH = flags.DEFINE_list(
    "batch", [], "Images in one update; by default the configuration's.", flag_values=FLAGS
)
_EXAMPLES = flags.DEFINE_integer(
    "examples",
    1_281_167,
    "Number of training examples, by default ImageNet's; the training set is not read.",
    lower_bound=1,
    flag_values=FLAGS,
)
_BASE = flags.DEFINE_string(
    "base",
    None,
    "What the step is compiled for, once for all rows; by default four chips of each generation, or"
    " eight of each card.",
    flag_values=FLAGS,
)
_BASE_IMAGES = flags.DEFINE_integer(
    "base_images",
    64,
    "Images on each chip that the step is compiled for.",
    lower_bound=1,
    flag_values=FLAGS,
)
_EXACT = flags.DEFINE_bool(
    "exact", False, "Compile for every topology and batch: minutes each.", flag_values=FLAGS
)
_OUT = flags.DEFINE_string(
    "out", None, "Folder for the table (plan.json, plan.md) and the figure.", flag_values=FLAGS
)


def main() -> dict[str, Any]:
    """Prints the tables, and returns the rows."""
    from resnet_jax.planning import compilers, hardware, results
    from resnet_jax.planning.compilers import NoCompiler
    from resnet_jax.planning.scaling import predict
    from resnet_jax.planning.step import Step, batch_sizes

    config = _CONFIG.read()
    on = hardware.parse_all(_TOPOLOGY.value)
    bases = {each.name: hardware.base(each, _BASE.value) for each in on}
    batches = batch_sizes(_BATCH.value, config)
    step = Step(config, _EXAMPLES.value)
    try:
        programs = {name: step.compiled(base, _BASE_IMAGES.value) for name, base in bases.items()}
    except NoCompiler as missing:
        lowered = step.lowered(batches[0])
        print(f"{missing}\nwithout it the step was only lowered, and nothing is predicted:")
        for platform, size in lowered.items():
            print(f"  {platform}: {size:,} bytes of StableHLO")
        return {"missing": str(missing), "lowered": lowered, "rows": []}
    compiler = compilers.version(on[0])
    details = "\n\n".join(
        results.details(program, compiler) for program in dict.fromkeys(programs.values())
    )
    print(f"\n{details}\n", flush=True)
    rows = [predict(programs[each.name], each, batch) for each in on for batch in batches]
    table = results.table(rows, step.hours)
    print(f"{table}\n\n{results.accuracy(on[0])}\n", flush=True)
    if _EXACT.value:
        rows = [step.exactly(row) for row in rows]
        table = results.table(rows, step.hours)
        print(f"\n{table}\n", flush=True)
    result: dict[str, Any] = {
        "programs": {name: program.as_dict() for name, program in programs.items()},
        "rows": [row.as_dict() for row in rows],
    }
    if _OUT.value:
        text = f"{table}\n\n{results.accuracy(on[0])}\n\n{details}"
        results.write(shared_flags.folder(_OUT.value, "--out"), text, result, programs, on)
    # The line of JSON that ends a verb leaves the long lists to plan.json.
    many = ("kernels", "collectives", "costly")
    brief = {
        name: {key: value for key, value in program.items() if key not in many}
        for name, program in result["programs"].items()
    }
    return {"programs": brief, "rows": result["rows"]}
