"""Runs beside each other: what is a row, what differs, and what is written."""

import csv
import io
import json
import math
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import ROOT, call, mistake
from scipy import stats

from configs import smoke
from resnet_jax.sweeps import comparison
from resnet_jax.sweeps.latex import as_latex, escaped

TINY = "stage_depths=(1,),widths=(4,),stem_width=4,width_factor=1.0,data.image_size=8"


def write_run(folder: Path, top1: float, changes: str = "", *, finished: bool = True) -> Path:
    """Writes what a run leaves behind that a comparison reads."""
    config = smoke.get_config(",".join(filter(None, [TINY, changes])))
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config.to_json())
    lines = [{"step": step, "train/loss": 2 - step / 10, "train/top1": top1, "lr": 0.1,
              "images_per_second": 100.0} for step in (1, 2, 3)]  # fmt: skip
    if finished:
        lines[-1] |= {"eval/top1": top1, "eval/top5": 1.0, "eval/loss": 0.5, "eval/examples": 256}
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three seeds with momentum, three without, one of which was stopped."""
    folder = tmp_path_factory.mktemp("runs")
    for seed, (plain, nesterov) in enumerate([(0.5, 0.6), (0.6, 0.8), (0.7, 0.9)]):
        write_run(folder / f"a{seed}", plain, f"seed={seed}")
        write_run(folder / f"b{seed}", nesterov, f"seed={seed},optim.name=nesterov",
                  finished=seed < 2)  # fmt: skip
    return folder


def test_seeds_are_averaged_and_differences_paired(runs):
    found = comparison.compare([str(runs / "a*"), str(runs / "b*")])
    assert list(found.rows) == ["optim.name=sgd", "optim.name=nesterov"]
    assert found.differences() == [["optim.name", "sgd", "nesterov"]]
    first, other = found.table
    assert first.summaries["test_error"].mean == pytest.approx(40)
    assert first.summaries["test_error"].std == pytest.approx(10)
    # The run that was stopped is left out, and said: (40 + 20) / 2.
    assert other.summaries["test_error"].mean == pytest.approx(30)
    assert other.failures == "1 unfinished" and other.left_out == "1 of 3"
    change = other.comparisons["test_error"]
    # Of seeds 0 and 1: 40 - 50 and 20 - 40.
    assert change.paired and change.difference == pytest.approx(-15)
    assert change.p == pytest.approx(stats.ttest_rel([40, 20], [50, 40]).pvalue)
    assert first.cost.parameters == other.cost.parameters > 100


def test_other_networks_are_not_paired(runs, tmp_path):
    for seed in range(2):
        write_run(tmp_path / f"c{seed}", 0.9 - seed / 10, f"seed={seed},widths=(8,)")
    found = comparison.compare([str(runs / "a*"), str(tmp_path)])
    assert list(found.rows) == ["widths=[4]", "widths=[8]"]
    change = found.table[1].comparisons["test_error"]
    assert not change.paired
    expected = stats.ttest_ind([10, 20], [50, 40, 30], equal_var=False).pvalue
    assert change.p == pytest.approx(expected)


def test_a_folder_of_runs_and_a_run_named_twice(runs):
    everything = comparison.found_in([str(runs), str(runs / "a0")])
    assert sorted(run.name for run in everything) == ["a0", "a1", "a2", "b0", "b1", "b2"]


def test_an_experiments_records_are_compared_without_its_runs():
    found = comparison.compare([str(ROOT / "experiments/depth/results/small.json")])
    with (ROOT / "experiments/depth/results/small.csv").open() as file:
        table = {row["test_error_mean"]: row for row in csv.DictReader(file)}
    means = [f"{line.summaries['test_error'].mean:.6g}" for line in found.table]
    # It also keeps records of rows that the table no longer has.
    assert table.keys() <= {*means}


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["nothing/*"], "nothing/* holds no run: give folders of runs"),
        ([], "RUN... is missing"),
    ],
)
def test_places_without_runs(flags, sentence):
    assert sentence in mistake("compare", *flags)


def test_two_runs_of_one_seed_are_one_run(runs, tmp_path):
    write_run(tmp_path / "again", 0.5)
    assert "have seed 0, again among them" in mistake(
        "compare", str(runs / "a*"), str(tmp_path / "again")
    )


def test_everything_is_written(runs, tmp_path, capsys):
    (runs / "a1" / "report.html").write_text("its page")
    out = tmp_path / "out"
    result = call("compare", str(runs), f"--out={out}", "--format=latex")
    printed = capsys.readouterr().out
    assert printed.startswith("optim.name: sgd, nesterov\n") and r"\toprule" in printed
    assert (out / "comparison.tex").read_text() in printed
    with (out / "runs.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(line["row"], line["seed"]) for line in lines[:2]] == [
        ("optim.name=sgd", "0"), ("optim.name=sgd", "1"),
    ]  # fmt: skip
    assert [line["test_error"] for line in lines] == ["50", "40", "30", "40", "20", ""]
    page = Path(result["page"]).read_text()
    (link,) = re.findall(r'href="(?!data:|#)([^"]*)"', page)
    assert (out / link).read_text() == "its page"
    assert "<td>optim.name</td><td>sgd</td><td>nesterov</td>" in page
    assert page.count("<svg ") == 2 and page.count('<figure class="plot">') == 1


def test_the_line_of_pandas_that_the_readme_shows(runs, tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")
    call("compare", str(runs), f"--out={tmp_path / 'comparison'}")
    (line,) = re.findall(r"^    (pandas\.read_csv.*)$", (ROOT / "README.md").read_text(), re.M)
    monkeypatch.chdir(tmp_path)
    means = eval(line, {"pandas": pandas})
    assert means["optim.name=sgd"] == pytest.approx(40)


def test_latex_sets_every_character():
    assert escaped(r"50% & <b> a_b \ 1 ± 2") == (r"50\% \& $<$b$>$ a\_b \textbackslash{} 1 $\pm$ 2")


def test_latex_has_the_cells_of_the_table(runs):
    text = as_latex(comparison.compare([str(runs)]).table)
    lines = text.splitlines()
    assert lines[1] == r"\toprule" and lines[-2] == r"\bottomrule"
    head, *rows = (line for line in lines if line.endswith(r"\\"))
    columns = head.count("&") + 1
    assert lines[0] == rf"\begin{{tabular}}{{l{'r' * (columns - 1)}}}"
    assert [row.replace(r"\&", "").count("&") + 1 for row in rows] == [columns] * 2
    assert r"40.00 $\pm$ 10.00" in rows[0]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX is installed")
def test_latex_reads_it(runs, tmp_path):
    table = as_latex(comparison.compare([str(runs)]).table)
    (tmp_path / "a.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
        f"{table}\\end{{document}}\n"
    )
    subprocess.run(
        ["pdflatex", "-halt-on-error", "a.tex"], cwd=tmp_path, check=True, capture_output=True
    )


def test_csv_of_runs_has_empty_fields_where_there_is_no_figure(runs):
    found = comparison.compare([str(runs / "b2"), str(runs / "a0")])
    first, _ = csv.DictReader(io.StringIO(comparison.runs_as_csv(found)))
    assert first["status"] == "unfinished" and first["test_error"] == ""
    assert math.isclose(float(first["train_error"] or 10), 10)
