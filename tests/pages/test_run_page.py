"""A run's page: what it shows, that it needs nothing else, and that a browser shows it."""

import json
import re
import shutil
import subprocess

import pytest
from analysis import tiny
from command_line import call

from resnet_jax.analysis.subject import Subject
from resnet_jax.pages import run as run_page
from resnet_jax.pages.sections import SECTIONS, Outcome, curves
from resnet_jax.reporting.findings import WrittenFindings
from resnet_jax.training.metrics import METRICS

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
LINES = [
    {"step": 1, "train/loss": 2.5, "train/top1": 0.25},
    {"step": 2, "train/loss": 1.5, "train/top1": 0.5, "eval/loss": 1.75, "eval/top1": 0.375},
    {"step": 3, "train/loss": 1.25},
]
SVG = "<svg xmlns='http://www.w3.org/2000/svg'/>"
FINDINGS = [WrittenFindings("lesion", "top1 < 0.5 & more", [SVG])]


@pytest.fixture(scope="module")
def run() -> Outcome:
    model, names = tiny.network(), ("cat", "dog", "<bird>")
    network = Subject(model, tiny.variables_of(model), lambda split, count: tiny.examples(), names,
                      tiny.SHAPE, (0.5,) * 3, (0.25,) * 3)  # fmt: skip
    environments = [{"commit": "12ab", "clean": False, "versions": {"jax": "0.12"}}]
    config = {"model": {"depth": 20}}
    return Outcome(3, network, LINES, config, FINDINGS, environments=environments)


@pytest.fixture(scope="module")
def html(run) -> str:
    return run_page.page("run & more", run)


def test_the_page_tells_what_the_run_did(html):
    assert "<h1>run &amp; more</h1>" in html and "The run after 3 updates." in html
    assert "<td>train/loss</td><td>1.25</td>" in html and "<td>eval/top1</td><td>0.375</td>" in html
    assert "<td>model.depth</td><td>20</td>" in html
    assert "<td>commit</td><td>12ab</td>" in html and "<td>versions.jax</td><td>0.12</td>" in html
    assert "top1 &lt; 0.5 &amp; more" in html
    assert "<td>stage2/block1</td>" in html
    assert re.findall("<h2>(.*?)</h2>", html) == list(SECTIONS)
    assert "<h3>lesion</h3>" in html
    # Curves, three of mistakes, gradient flow, one of an earlier analysis.
    assert html.count("<img ") == 6


def test_a_section_is_a_row_and_one_without_text_is_left_out(run, monkeypatch):
    monkeypatch.setattr(
        run_page, "SECTIONS", {"Steps": lambda run: f"<p>{run.step}</p>", "None": lambda run: ""}
    )
    html = run_page.page("run", run)
    assert "<section><h2>Steps</h2>\n<p>3</p></section>" in html and "None" not in html


def test_curves_are_of_the_metrics_in_brief_that_there_are(monkeypatch):
    monkeypatch.setitem(METRICS, "top2", METRICS["top1"])
    monkeypatch.setitem(METRICS, "top3", METRICS["top1"])
    lines = [*LINES, {"step": 4, "eval/top2": 0.5, "eval/top5": 0.75}]
    html = curves(Outcome(4, None, lines, {}, []))
    assert 'alt="loss, top1, top2 by update"' in html
    assert curves(Outcome(0, None, [], {}, [])) == ""


def test_the_page_stands_alone(html):
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    assert "http" not in re.sub(r"base64,[^\"]*", "", html)
    assert 'name="viewport"' in html


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")
def test_a_browser_shows_the_page_on_a_phone(html, tmp_path):
    probe = """<script>
    addEventListener('load', () => {
      const images = [...document.images].slice(0, 5);
      document.querySelector('details').open = true;
      document.title = 'seen' + JSON.stringify({
        widths: images.map(image => image.naturalWidth),
        requests: performance.getEntriesByType('resource').map(entry => entry.name)
          .filter(name => !name.startsWith('data:')),
        overflow: document.documentElement.scrollWidth > innerWidth,
        rows: document.querySelectorAll('details tbody tr').length,
      }) + 'end';
    });
    </script></body>"""
    path = tmp_path / "report.html"
    path.write_text(html.replace("</body>", probe))
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         f"--user-data-dir={tmp_path / 'profile'}", "--window-size=500,900", "--dump-dom",
         path.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    found = re.search(r"<title>seen(.*?)end</title>", done.stdout)
    assert found, done.stderr
    seen = json.loads(found[1])
    assert min(seen["widths"]) > 100
    assert seen["requests"] == [] and not seen["overflow"] and seen["rows"] == 1


@pytest.mark.parametrize("wanted", [True, False])
def test_a_run_ends_with_a_page_where_its_configuration_says_so(wanted, tmp_path, monkeypatch):
    monkeypatch.setattr("resnet_jax.assembly.run.train", lambda *_: {"top1": 1.0, "step": 2})
    written = []
    monkeypatch.setattr(run_page, "write", lambda workdir, trust_rows: written.append(workdir))
    call("train", f"--config=configs/smoke.py:report.page={wanted}", f"--workdir={tmp_path}")
    assert written == [tmp_path] * wanted
