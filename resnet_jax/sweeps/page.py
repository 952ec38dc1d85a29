"""The report as one HTML page that needs nothing else: no server, no other file, no network."""

import base64
import re
from html import escape

from resnet_jax.sweeps.table import Line, cells

STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; line-height: 1.25; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; }
td { white-space: nowrap; }
th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0;
  padding: 0; cursor: pointer; text-align: inherit; }
th[aria-sort=ascending] button::after { content: " \\25b2"; }
th[aria-sort=descending] button::after { content: " \\25bc"; }
figure { margin: 1.5rem 0; }
figure img { width: 100%; max-width: 44rem; height: auto; background: #fff; border-radius: 4px; }
"""

# Sorts by the number in data-sort, else by the text; words follow numbers, and empty cells both.
SCRIPT = """
for (const [column, button] of document.querySelectorAll('th button').entries()) {
  button.addEventListener('click', () => {
    const head = button.parentElement, body = document.querySelector('tbody');
    const up = head.getAttribute('aria-sort') !== 'ascending';
    for (const other of document.querySelectorAll('th')) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    const key = row => row.cells[column].dataset.sort ?? row.cells[column].textContent;
    const compare = (a, b) => {
      if (key(a) === '' || key(b) === '') return (key(a) === '') - (key(b) === '');
      const [x, y] = [Number(key(a)), Number(key(b))];
      if (isNaN(x) !== isNaN(y)) return isNaN(x) - isNaN(y);
      return (up ? 1 : -1) * (isNaN(x) ? key(a).localeCompare(key(b)) : x - y);
    };
    body.append(...[...body.rows].sort(compare));
  });
}
"""


def page(table: list[Line], *, title: str, about: list[str], figures: dict[str, str]) -> str:
    """Returns the page.

    Args:
      title: the experiment's question.
      about: paragraphs below it.
      figures: SVG text by what it shows.
    """
    grid = [cells(line) for line in table]
    columns = [name for name in grid[0] if any(line[name] for line in grid)]
    head = "".join(
        f'<th scope="col"><button type="button">{escape(name)}</button></th>' for name in columns
    )
    body = "".join(f"<tr>{''.join(_cell(line[name]) for name in columns)}</tr>\n" for line in grid)
    images = "".join(
        f'<figure><img alt="{escape(name)}" src="data:image/svg+xml;base64,'
        f'{base64.b64encode(svg.encode()).decode()}"></figure>\n'
        for name, svg in figures.items()
    )
    paragraphs = "".join(f"<p>{escape(text)}</p>\n" for text in about)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{paragraphs}"
        f'<div class="table"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n'
        f"</table></div>\n{images}<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _cell(text: str) -> str:
    """A cell sorts by the number that it begins with, where it begins with one."""
    number = re.match(r"[+-]?\d+(\.\d+)?", text)
    sort = f' data-sort="{float(number[0])}"' if number else ""
    return f"<td{sort}>{escape(text)}</td>"
