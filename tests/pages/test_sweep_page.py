"""A sweep's page: that it needs nothing else, and that a browser shows and sorts it."""

import re

import pytest
from browser import BROWSER, WIDTHS, assert_readable, seen

from resnet_jax.pages.sweep import page

SVG = (
    "<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' width='200' height='100'>"
    "<metadata>http://example.org</metadata><g><title>base: 8%</title><path d='M0 0h9v9z'/></g>"
    "</svg>"
)
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
    assert "http" not in html and "@import" not in html and not re.search(r"url\((?!#)", html)
    assert 'role="img" aria-label="errors"' in html and "<title>base: 8%</title>" in html
    assert "<i>" not in html and "10 &amp; &lt;b&gt;" in html
    assert 'name="viewport"' in html
    # A column that is empty throughout is left out.
    assert "test error %" in html and "published" not in html


@pytest.mark.parametrize(
    ("text", "number"),
    [("1,091,000", 1_091_000.0), ("1.2e+03 MFLOP", 1200.0), ("-0.5 ± 1", -0.5), ("+3", 3.0)],
)
def test_a_cell_is_sorted_by_the_number_that_it_begins_with(text, number):
    html = page([{"figure": text}, {"figure": "none"}], title="a", about=[], figures={})
    assert [float(found) for found in re.findall('<td data-sort="(.*?)"', html)] == [number]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")
@pytest.mark.parametrize("width", WIDTHS)
def test_a_browser_shows_and_sorts_the_page(html, tmp_path, width):
    """Clicks the first three headings, and looks where a row's name stands in a scrolled table."""
    probe = """
    const order = () => [...document.querySelectorAll('tbody tr')].map(r => r.cells[0].textContent);
    seen.orders = [];
    for (const column of [0, 2, 2]) {
      document.querySelectorAll('th button')[column].click();
      seen.orders.push(order());
    }
    const table = document.querySelector('.table');
    table.style.width = '12rem';
    table.scrollLeft = 80;
    const left = one => one.getBoundingClientRect().left;
    seen.scrolled = table.scrollLeft;
    seen.fixed = left(document.querySelector('td')) - left(table);
    """
    found = seen(html, tmp_path, width, probe)
    assert_readable(found, width)
    # By name, numbers first; by error up and down, what has none staying behind.
    assert found["orders"] == [
        ["9", "10 & <b>", "base", "half"],
        ["base", "half", "10 & <b>", "9"],
        ["10 & <b>", "half", "base", "9"],
    ]
    assert found["scrolled"] > 0 and found["fixed"] == 0
