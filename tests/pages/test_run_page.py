"""A run's page: what it shows, that it needs nothing else, and that a browser shows it."""

import base64
import io
import json
import re
from html import unescape

import jax.numpy as jnp
import numpy as np
import pytest
from analysis import tiny
from browser import BROWSER, WIDTHS, assert_readable, seen
from command_line import call
from PIL import Image

from resnet_jax.analysis.explanation import grad_cam
from resnet_jax.analysis.overlay import overlaid
from resnet_jax.analysis.subject import Subject
from resnet_jax.pages import run as run_page
from resnet_jax.pages.sections import SECTIONS, Outcome, curves, mistakes
from resnet_jax.reporting.findings import WrittenFindings
from resnet_jax.training.metrics import METRICS

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
    # Two of mistakes and each wrong picture, gradient flow, one of an earlier analysis.
    wrong = html.count('<figure class="card">')
    assert wrong > 0 and f"{wrong} wrong; the {wrong} with" in html
    assert (html.count("<svg "), html.count("<img ")) == (4, wrong)
    assert html.count('<figure class="plot">') == 2


def test_the_page_shows_where_the_network_looked_in_pictures_that_are_large_enough(run, html):
    """The maps are of the class that each picture is taken for."""
    assert "Where the network looked" not in html
    draw = np.random.default_rng(0)
    shape = (64, 80, 3)
    images = draw.standard_normal((12, *shape)).astype(np.float32)
    labels = np.arange(12, dtype=np.int32) % 3
    network = run.network._replace(
        image_shape=shape, examples=lambda split, count: tiny.Examples(images, labels)
    )
    section = mistakes(run._replace(network=network))
    pictures, _, looked = section.partition("Where the network looked")
    wrong = re.findall('alt="(.*?), of class (.*?), taken for (.*?)"', pictures)
    seen = re.findall('alt="Grad-CAM of (.*?): (.*?), of class (.*?), taken for (.*?)"', looked)
    assert len(wrong) >= len(seen) == min(8, len(wrong)) > 0
    assert [(name, label, guess) for _, name, label, guess in seen] == wrong[: len(seen)]
    assert all(explained == guess for explained, _, _, guess in seen)
    numbers = [int(re.findall(r"\d+", name)[-1]) for _, name, _, _ in seen]
    pixels = np.stack([np.clip((images[n] * 0.25 + 0.5) * 255, 0, 255).round() for n in numbers])
    guessed = jnp.array([network.class_names.index(unescape(guess)) for *_, guess in seen])
    maps = grad_cam(
        network.model, network.variables, jnp.asarray((pixels / 255 - 0.5) / 0.25), guessed
    )
    shown = overlaid(pixels[0].astype(np.uint8), np.asarray(maps[0]))
    (first, *_) = re.findall('base64,([^"]*)"', looked)
    found = np.asarray(Image.open(io.BytesIO(base64.b64decode(first))), int)
    np.testing.assert_allclose(found, shown, atol=2)


def test_a_section_is_a_row_and_one_without_text_is_left_out(run, monkeypatch):
    monkeypatch.setattr(
        run_page, "SECTIONS", {"Steps": lambda run: f"<p>{run.step}</p>", "None": lambda run: ""}
    )
    html = run_page.page("run", run)
    assert "<section><h2>Steps</h2>\n<p>3</p></section>" in html and "None" not in html


def test_curves_are_of_the_metrics_in_brief_that_there_are(monkeypatch):
    monkeypatch.setitem(METRICS, "top2", METRICS["top1"])
    monkeypatch.setitem(METRICS, "top3", METRICS["top1"])
    more = {"eval/top2": 0.5, "eval/top5": 0.75, "lr": 0.1, "images_per_second": 900.0}
    html = curves(Outcome(4, None, [*LINES, {"step": 4, **more}], {}, []))
    assert re.findall("<h3>(.*?)</h3>", html) == [
        "loss, nats", "top1, share of images", "top2", "learning rate", "images/s",
    ]  # fmt: skip
    loss = json.loads(re.findall('<script type="application/json">(.*?)</script>', html)[0])
    assert loss["names"] == ["train", "eval"]
    assert loss["values"] == [[1, 2, 3], [2.5, 1.5, 1.25], [None, 1.75, None]]
    assert "train from 2.5 to 1.25; eval from 1.75 to 1.75" in html
    assert curves(Outcome(0, None, [], {}, [])) == ""


def test_the_page_stands_alone(html):
    assert not re.search(r"(src|href)=\"(?!data:|#)", html)
    without = re.sub(r"base64,[^\"]*|/\*! https://github.com/leeoniya/uPlot", "", html)
    assert "http" not in without and "@import" not in without
    assert not re.search(r"url\((?!#)", without)
    assert 'name="viewport"' in html


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")
@pytest.mark.parametrize("width", WIDTHS)
def test_a_browser_shows_the_page(html, tmp_path, width):
    """Points at the middle of the first plot, hides a curve and zooms, as a reader does."""
    probe = """
    document.querySelector('details').open = true;
    seen.rows = document.querySelectorAll('details tbody tr').length;
    const over = document.querySelector('.plot .u-over'), box = over.getBoundingClientRect();
    const at = (kind, share) => over.dispatchEvent(new MouseEvent(kind, {bubbles: true,
      clientX: box.left + share * box.width, clientY: box.top + box.height / 2, movementX: 9}));
    const settled = () => new Promise(done => setTimeout(done, 300));
    const values = () => [...document.querySelectorAll('.plot')[0].querySelectorAll('.u-value')]
      .map(cell => cell.textContent);
    at('mouseenter', .5); at('mousemove', .5);
    await settled();
    seen.values = values();
    document.querySelectorAll('.plot .u-series th')[1].click();
    await settled();
    seen.hidden = document.querySelectorAll('.plot')[0].querySelectorAll('.u-off.u-series').length;
    at('mousedown', .4); at('mousemove', .9); at('mouseup', .9);
    await settled();
    seen.x = [plots[0].plot.scales.x.min, plots[0].plot.scales.x.max];
    """
    found = seen(html, tmp_path, width, probe)
    assert_readable(found, width)
    # At update 2, half way between 1 and 3.
    assert found["rows"] == 1 and found["values"] == ["2", "1.5", "1.75"]
    assert found["hidden"] == 1
    assert found["x"] == [pytest.approx(1.8, abs=0.05), pytest.approx(2.8, abs=0.05)]
    assert len(html) < 1_000_000


@pytest.mark.parametrize("wanted", [True, False])
def test_a_run_ends_with_a_page_where_its_configuration_says_so(wanted, tmp_path, monkeypatch):
    monkeypatch.setattr("resnet_jax.assembly.run.train", lambda *_: {"top1": 1.0, "step": 2})
    written = []
    monkeypatch.setattr(run_page, "write", lambda workdir, trust_rows: written.append(workdir))
    call("train", f"--config=configs/smoke.py:report.page={wanted}", f"--workdir={tmp_path}")
    assert written == [tmp_path] * wanted
