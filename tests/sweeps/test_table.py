"""The table of an experiment, and its figures."""

import csv
import io
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import stats
from sweeps.folders import TINY

from resnet_jax.reporting.drawing import as_png, as_svg
from resnet_jax.sweeps import experiment, figures, results
from resnet_jax.sweeps.costs import Cost, of_config
from resnet_jax.sweeps.experiment import Experiment, Row
from resnet_jax.sweeps.notes import notes
from resnet_jax.sweeps.records import Record, Store, put
from resnet_jax.sweeps.table import as_csv, as_markdown, cells, lines
from resnet_jax.training.metrics import METRICS

ROWS = [
    Row("base", "", 6.61, "base"),
    Row("10 & <b>", "", 8.75, "base"),
    Row("9", "", "fail", "base"),
    Row("half", "", None, "base"),
]


def record(error: float, loss: float = 1.0) -> Record:
    curve = [[step, error, loss + 1 / step] for step in (10, 20, 30)]
    found = Record("done", "", error, loss, error + 1, loss, 60.0, curve, [[30, error]])
    return found._replace(test_examples=10_000)


def by_seed(runs: dict[str, list[Record]]) -> dict[str, dict[int, Record]]:
    return {name: dict(enumerate(found)) for name, found in runs.items()}


DIVERGED = Record("diverged", "train/loss became nan at step 12", curve=[[10, 90.0, 2.3]])
RECORDS = {
    "base": [record(7.0), record(8.0), record(9.0)],
    "10 & <b>": [record(100.0), record(20.0)],
    "9": [DIVERGED, DIVERGED],
    "half": [record(30.0), DIVERGED, Record("failed", "killed by SIGKILL")],
}


COSTS = {row.name: Cost(1_000 * number, 10**6 * number, 4) for number, row in enumerate(ROWS, 1)}


@pytest.fixture(scope="module")
def table():
    return lines(ROWS, by_seed(RECORDS), COSTS, published_scale=True)


def test_published_figures_stand_beside_ours(table):
    base, ten, nine, half = table
    assert base.from_published == pytest.approx(8.0 - 6.61) and base.published_effect is None
    assert ten.from_published == pytest.approx(60.0 - 8.75)
    assert ten.published_effect == pytest.approx(8.75 - 6.61)
    assert nine.from_published is None and half.published_effect is None
    assert ten.comparisons["test_error"].difference == 52.0
    assert base.comparisons["test_error"] is None
    small = lines(ROWS, by_seed(RECORDS), COSTS, published_scale=False)
    assert small[1].from_published is None and small[1].published_effect is not None


def test_medians_are_compared_with_published_medians():
    """arXiv 1603.05027 and 1605.07146 publish medians of five runs."""
    records = {"base": [record(7.0), record(8.0), record(12.0)]}
    options = {"published_scale": True}
    (mean,) = lines(ROWS[:1], by_seed(records), COSTS, **options)
    (median,) = lines(ROWS[:1], by_seed(records), COSTS, **options, published_is="median")
    assert mean.from_published == pytest.approx(9.0 - 6.61)
    assert median.from_published == pytest.approx(8.0 - 6.61)
    assert cells(mean)["mean from published"] == "+2.39"
    assert cells(median)["median from published"] == "+1.39"


def test_a_failed_run_is_counted_and_spoils_no_mean(table):
    assert table[2].failures == "2 diverged" and table[2].summaries["test_error"] is None
    assert table[3].failures == "1 diverged, 1 failed"
    assert table[3].summaries["test_error"].mean == 30.0
    assert cells(table[2])["test error %"] == "fail" and cells(table[2])["published %"] == "fail"


def test_csv_reads_back(table):
    found = list(csv.DictReader(io.StringIO(as_csv(table))))
    assert [line["row"] for line in found] == [row.name for row in ROWS]
    assert float(found[1]["test_error_mean"]) == 60.0 and found[1]["test_error_n"] == "2"
    assert float(found[1]["test_error_change_difference"]) == 52.0
    assert found[2]["test_error_mean"] == "" and found[2]["published"] == "fail"


def test_markdown_has_a_row_a_row(table):
    text = as_markdown(table).splitlines()
    assert len(text) == 2 + len(ROWS)
    assert len({line.count(" | ") for line in text}) == 1
    assert "| base | 3 | 8.00 ± 1.00 | 8.00 | 5.52 to 10.48 | 7.48 to 8.55 |" in text[2]


def test_p_is_corrected_for_the_rows_of_one_baseline():
    """Two rows with the first as their baseline, and one with a baseline of its own."""
    rows = [Row("a", "", None, "a"), Row("b", "", None, "a"), Row("c", "", None, "a"),
            Row("d", "", None, "c")]  # fmt: skip
    errors = {"a": (7.0, 8.0, 9.0), "b": (9.0, 10.5, 11.0), "c": (20.0, 21.0, 23.0),
              "d": (8.0, 9.0, 9.5)}  # fmt: skip
    runs = by_seed({name: [record(error) for error in found] for name, found in errors.items()})
    costs = dict.fromkeys(errors)
    _, b, c, d = (
        line.comparisons["test_error"] for line in lines(rows, runs, costs, published_scale=False)
    )
    assert c.holm == pytest.approx(2 * c.p) and b.holm == pytest.approx(b.p) and b.p > c.p
    assert d.holm == d.p
    assert f"p {c.p:.2g}, Holm {c.holm:.2g})" in cells_of(rows, runs, costs)[2]


def cells_of(rows, runs, costs, paired=()):
    table = lines(rows, runs, costs, paired, published_scale=False)
    return [cells(line)["test error against"] for line in table]


def test_rows_that_start_alike_are_compared_by_pairs():
    rows = [Row("a", "", None, "a"), Row("b", "", None, "a")]
    runs = by_seed({"a": [record(10.0), record(20.0), record(30.0)],
                    "b": [record(11.0), record(22.0), record(33.0)]})  # fmt: skip
    costs = dict.fromkeys(runs)
    assert "paired p 0.074" in cells_of(rows, runs, costs, {"b"})[1]
    assert "paired" not in cells_of(rows, runs, costs)[1]
    # Of seeds that both have.
    del runs["a"][2]
    assert cells_of(rows, runs, costs, {"b"})[1].startswith("+1.50 (")


def test_what_is_left_out_stands_beside_the_interval():
    runs = by_seed({"base": [record(7.0), DIVERGED, record(9.0)]})
    (line,) = lines(ROWS[:1], runs, COSTS, published_scale=True)
    assert cells(line)["95% interval"] == "-4.71 to 20.71 (without 1 of 3)"
    (read,) = csv.DictReader(io.StringIO(as_csv([line])))
    assert (read["runs"], read["diverged"], read["test_error_n"]) == ("3", "1", "2")
    (axes,) = figures.errors([line], "small").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["base\n(1 diverged)"]


def test_notes_say_what_the_table_has(table):
    runs = {"base": [record(7.0), record(8.0), record(9.0)]}
    (line,) = lines(ROWS[:1], by_seed(runs), COSTS, published_scale=True)
    assert len(notes([line])) == 2 and "Wilson" in notes([line])[1]
    runs = {"base": [record(7.0), record(8.0)._replace(test_examples=None)]}
    (line,) = lines(ROWS[:1], by_seed(runs), COSTS, published_scale=True)
    assert line.of_test_set is None
    assert "12.7 standard errors" in notes([line])[1]
    assert stats.t.ppf(0.975, 1) == pytest.approx(12.7, abs=0.01)
    assert ["Welch" in note for note in notes(table)] == [False, True, False, False, False]
    assert "diverged" in notes(table)[2]


def test_figures_are_drawn_the_same_each_time(table):
    for draw in figures.FIGURES.values():
        first, again = (as_svg(draw(table, "small")) for _ in range(2))
        assert first == again
        ElementTree.fromstring(first)
        assert "told:" not in first
        assert as_png(draw(table, "small")).startswith(b"\x89PNG")


def test_bars_are_the_means_and_points_the_seeds():
    errors = {"base": (7.0, 8.0, 12.0), "9": (), "half": (30.0,)}
    rows = [row for row in ROWS if row.name in errors]
    records = {name: [record(error) for error in found] or [DIVERGED] * 2
               for name, found in errors.items()}  # fmt: skip
    axes = figures.errors(lines(rows, by_seed(records), COSTS, published_scale=True), "title").axes[
        0
    ]
    bars = {round(bar.get_y() + bar.get_height() / 2, 1): bar.get_width() for bar in axes.patches}
    # Test error above, training error below, row by row; the second has none.
    assert bars == {-0.2: 9.0, 0.2: 10.0, 1.8: 30.0, 2.2: 31.0}
    points = {round(float(line.get_ydata()[0]), 1): list(line.get_xdata()) for line in axes.lines
              if line.get_marker() == "."}  # fmt: skip
    assert points == {-0.2: [7.0, 8.0, 12.0], 0.2: [8.0, 9.0, 13.0], 1.8: [30.0], 2.2: [31.0]}
    # Student's interval of three seeds with a deviation of the root of 7; none of one seed.
    intervals = [one.get_segments()[0][:, 0] for one in axes.collections]
    reach = 4.302653 * math.sqrt(7 / 3)
    np.testing.assert_allclose(intervals, [[9 - reach, 9 + reach], [10 - reach, 10 + reach]], 1e-5)
    assert axes.get_xlim() == pytest.approx((0.0, 1.15 * 31))
    told = re.findall("<title>(.*?)</title>", as_svg(axes.figure))
    assert told[0] == "base: test error 9.00%, 95% interval 2.43 to 15.57"
    assert told[2:] == ["half: test error 30.00%", "half: training error 31.00%"]
    assert [text.get_text().strip() for text in axes.texts] == ["fail (2 diverged)"]


def test_curves_are_the_means_of_the_seeds_and_their_range(table):
    axes = figures.curves(table, "title").axes[0]
    base = {"base": [record(7.0, 1.0), record(8.0, 3.0)]}
    line = lines(ROWS[:1], by_seed(base), COSTS, published_scale=True)
    (curve,) = figures.curves(line, "title").axes[0].lines
    assert curve.get_xdata().tolist() == [10, 20, 30]
    assert curve.get_ydata() == pytest.approx([2 + 1 / step for step in (10, 20, 30)])
    assert [one.get_label() for one in axes.lines] == [row.name for row in ROWS]


def test_all_that_tells_what_was_found_is_written(tmp_path):
    rows = [Row("base", "", 6.5), Row("other", "shortcut=C", 9.0)]
    bases = {"paper": TINY, "small": TINY}
    chosen = Experiment(tmp_path, "Which?", "Table 1", bases, {}, lambda scale: rows)
    tasks = experiment.tasks(chosen, "paper", 2)
    store = Store(tmp_path / "runs", tmp_path / "kept.json")
    devices = "1 x NVIDIA H200", "", "1 x NVIDIA H200"
    for task, error, card in zip(tasks, (7.0, 11.0, 8.0), devices, strict=False):
        put(store.workdir(task), record(error)._replace(seconds=3600.0, devices=card))
    page = results.write(chosen, "paper", tasks, store, tmp_path / "results")
    assert page == tmp_path / "results" / "paper.html"
    assert {path.name for path in page.parent.iterdir()} == {
        "paper.csv", "paper.md", "paper.tex", "paper.html",
        *(f"paper-{name}.{kind}" for name in ("errors", "curves", "costs")
          for kind in ("svg", "png")),
    }  # fmt: skip
    base, other = csv.DictReader(io.StringIO((page.parent / "paper.csv").read_text()))
    assert (base["test_error_mean"], base["from_published"]) == ("7.5", "1.00")
    assert (other["test_error_mean"], other["from_published"]) == ("11", "2.00")
    assert (other["published_effect"], other["test_error_change_difference"]) == ("2.50", "3.5")
    assert int(other["parameters"]) > int(base["parameters"])
    about = (
        "Scale paper, 3 runs, 3.0 hours of training steps. Runs by device: 2 on 1 x NVIDIA H200."
    )
    assert about in page.read_text()
    small = results.tabulate(chosen, "small", experiment.tasks(chosen, "small", 1), store)
    assert [line.from_published for line in small] == [None, None]


def test_a_row_of_another_rate_is_paired_and_one_of_another_shortcut_is_not(tmp_path):
    rows = [Row("base", ""), Row("other", "shortcut=C"), Row("faster", "optim.rate=0.3")]
    chosen = Experiment(tmp_path, "Which?", "", {"small": TINY}, {}, lambda scale: rows)
    tasks = experiment.tasks(chosen, "small", 2)
    store = Store(tmp_path / "runs", tmp_path / "kept.json")
    for number, task in enumerate(tasks):
        put(store.workdir(task), record(number**2))
    _, other, faster = results.tabulate(chosen, "small", tasks, store)
    assert [line.comparisons["test_error"].paired for line in (other, faster)] == [0, 1]
    # Seed 0 has the errors 0, 1, 4 of the three rows, and seed 1 has 9, 16, 25.
    assert faster.comparisons["test_error"].difference == pytest.approx((4 + 16) / 2)


def test_costs_stand_in_the_table_and_on_the_axes(table):
    assert cells(table[1])["parameters"] == "2,000" and cells(table[1])["MFLOP an image"] == "2.0"
    panels = figures.costs(table, "small").axes
    # The row without an error is in none.
    for axes, expected in zip(
        panels, ([1e3, 2e3, 4e3], [1, 2, 4], [4e-6] * 3, [1] * 3), strict=True
    ):
        points = [line.get_xydata()[0] for line in axes.lines]
        assert [x for x, _ in points] == pytest.approx(expected)
        assert [y for _, y in points] == [8.0, 60.0, 30.0]


def test_the_cost_of_a_row_is_its_networks():
    """ResNet-20 with option A has 269,722 parameters and 41 million multiply-adds."""
    found = of_config("configs/cifar10.py:depth=20,shortcut=A")
    assert found.parameters == 269_722
    assert found.flops == pytest.approx(2 * 40.55e6, rel=0.01)
    assert of_config("configs/smoke.py:norm.name=group,norm.channel_groups=3") is None


def test_curves_go_as_far_as_every_seed_came():
    steps, losses = figures.common(RECORDS["half"])
    assert steps.tolist() == [10] and losses.shape == (2, 1)
    assert figures.common([Record("failed", "x")]) is None


def test_a_metric_in_brief_is_a_column(monkeypatch):
    monkeypatch.setitem(METRICS, "top2", METRICS["top1"])
    runs = [
        record(7.0)._replace(others={"test_top2": 0.75}),
        record(8.0)._replace(others={"test_top2": 0.25}),
        record(9.0),  # from before there was the metric
    ]
    (line,) = lines(ROWS[:1], by_seed({"base": runs}), COSTS, published_scale=True)
    assert cells(line)["test top2"].startswith("0.5000 ± 0.35")
    assert cells(line)["n"] == "3"
    (read,) = csv.DictReader(io.StringIO(as_csv([line])))
    assert read["test_top2_mean"] == "0.5" and read["test_error_mean"] == "8"
