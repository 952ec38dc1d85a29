"""Compares runs: python -m resnet_jax compare runs/a runs/b 'runs/wide*'.

RUN is the folder of a run, a folder of such folders (as runs/sweeps), a pattern, or the JSON file
of an experiment's results. Runs that differ in their seed alone are averaged as one row, and rows
are compared with that of the first run, paired where runs of a seed start alike. Printed are the
keys that differ and the table; --out=FOLDER keeps both with the curves as a page, CSV and LaTeX.
"""

from typing import Any

from absl import flags

from resnet_jax.verbs import shared_flags

FLAGS = flags.FlagValues()
_FORMAT = flags.DEFINE_enum(
    "format", "markdown", ["markdown", "csv", "latex"], "How the table is printed.",
    flag_values=FLAGS,
)  # fmt: skip
_OUT = flags.DEFINE_string(
    "out", None,
    "Folder for comparison.html, .csv, .tex, .md, figures, and runs.csv with a line for each run.",
    flag_values=FLAGS,
)  # fmt: skip


def main(*run: str) -> dict[str, Any]:
    """Prints the comparison, and returns its rows and the page."""
    from resnet_jax.sweeps import comparison, results
    from resnet_jax.sweeps.latex import as_latex
    from resnet_jax.sweeps.table import as_csv, as_markdown

    found = comparison.compare(run)
    writers = {"markdown": as_markdown, "csv": as_csv, "latex": as_latex}
    for key, *values in found.differences():
        print(f"{key}: {', '.join(values)}")
    print(f"\n{writers[_FORMAT.value](found.table)}", flush=True)
    result: dict[str, Any] = {
        "rows": {name: [str(run.folder or run.name) for run in runs]
                 for name, runs in found.rows.items()},
    }  # fmt: skip
    if _OUT.value:
        folder = shared_flags.folder(_OUT.value, "--out")
        result["page"] = str(results.write_comparison(found, folder))
        print(f"the page: {result['page']}")
    return result
