"""A sweep's page: that it needs nothing else, and that a browser shows and sorts it."""

import json
import re
import shutil
import subprocess

import pytest

from resnet_jax.pages.sweep import page

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
SVG = "<svg xmlns='http://www.w3.org/2000/svg' width='200' height='100'/>"
GRID = [
    {"row": row, "n": n, "test error %": error, "published %": ""}
    for row, n, error in (
        ("base", "3", "8.00 ± 1.00"),
        ("10 & <b>", "2", "60.00 ± 56.57"),
        ("9", "0 (2 diverged)", "fail"),
        ("half", "1 (1 diverged)", "30.00"),
    )
]


@pytest.fixture(scope="module")
def html() -> str:
    return page(GRID, title="Which <i>is</i> best?", about=["a & b"], figures={"errors": SVG})


def test_the_page_stands_alone(html):
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    assert "http" not in html and "@import" not in html and "url(" not in html
    assert "<i>" not in html and "10 &amp; &lt;b&gt;" in html
    assert 'name="viewport"' in html
    # A column that is empty throughout is left out.
    assert "test error %" in html and "published" not in html


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")
def test_a_browser_shows_and_sorts_the_page(html, tmp_path):
    """Clicks the first three headings and writes into the page what a reader would see."""
    probe = """<script>
    const order = () => [...document.querySelectorAll('tbody tr')].map(r => r.cells[0].textContent);
    const seen = {orders: []};
    for (const column of [0, 2, 2]) {
      document.querySelectorAll('th button')[column].click();
      seen.orders.push(order());
    }
    addEventListener('load', () => {
      seen.image = document.querySelector('img').naturalWidth > 100;
      seen.requests = performance.getEntriesByType('resource').map(entry => entry.name)
        .filter(name => !name.startsWith('data:'));
      seen.overflow = document.documentElement.scrollWidth > innerWidth;
      document.title = 'seen' + JSON.stringify(seen) + 'end';
    });
    </script></body>"""
    path = tmp_path / "page.html"
    path.write_text(html.replace("</body>", probe))
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         f"--user-data-dir={tmp_path / 'profile'}", "--window-size=500,900", "--dump-dom",
         path.as_uri()],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    found = re.search(r"<title>seen(.*?)end</title>", done.stdout)
    assert found, done.stderr
    seen = json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    # By name, numbers first; by error up and down, what has none staying behind.
    assert seen["orders"] == [
        ["9", "10 & <b>", "base", "half"],
        ["base", "half", "10 & <b>", "9"],
        ["10 & <b>", "half", "base", "9"],
    ]
    assert seen["image"] and not seen["overflow"] and seen["requests"] == []
