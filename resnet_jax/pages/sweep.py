"""An experiment's results as one HTML page, with a table that a reader can sort."""

import re
from collections.abc import Sequence
from html import escape

from resnet_jax.reporting import markup, plots

STYLE = """
th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0;
  padding: 0; cursor: pointer; text-align: inherit; }
th[aria-sort=ascending] button::after { content: " \\25b2"; }
th[aria-sort=descending] button::after { content: " \\25bc"; }
"""

# Rows are sorted by the number in data-sort, or else by the text of the cell. Words stand after
# numbers, and empty cells after both.
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


def page(
    grid: list[dict[str, str]],
    *,
    title: str,
    about: list[str],
    figures: dict[str, str],
    plotted: Sequence[plots.Plot] = (),
    below: str = "",
) -> str:
    """Returns the page.

    Args:
      grid: the cells of each line of the table, by their columns.
      title: the experiment's question.
      about: paragraphs below it.
      figures: SVG text by what it shows.
      plotted: curves between the table and the figures.
      below: HTML at the end.
    """
    columns = [name for name in grid[0] if any(line[name] for line in grid)]
    head = "".join(
        f'<th scope="col"><button type="button">{escape(name)}</button></th>' for name in columns
    )
    body = "".join(f"<tr>{''.join(_cell(line[name]) for name in columns)}</tr>\n" for line in grid)
    images = "".join(markup.figure(svg, name) for name, svg in figures.items())
    curves = markup.side_by_side(plots.figures(plotted)) if plotted else ""
    contents = markup.paragraphs(about) + markup.grid(head, body) + curves + images + below
    return markup.document(title, contents, style=STYLE, script=SCRIPT)


def _cell(text: str) -> str:
    """A cell that begins with a number is sorted by that number."""
    number = re.match(r"[+-]?\d[\d,]*(\.\d+)?(e[+-]?\d+)?", text)
    sort = f' data-sort="{float(number[0].replace(",", ""))}"' if number else ""
    return f"<td{sort}>{escape(text)}</td>"
