"""HTML pages that need no server, no other file and no network."""

import base64
from collections.abc import Iterable, Sequence
from html import escape

from resnet_jax.reporting import plots, svg

# Light and dark paper. Text has a contrast of 4.5 or more against --paper; a test computes it.
STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de;
  --link: #0a58a6; --chosen: #0a58a622; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171c; --ink: #e6e9ee; --soft: #a3adb8;
  --line: #3a424d; --link: #7cb7f5; --chosen: #7cb7f533; } }
@media print { :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --line: #bbb;
  --link: #000; } body { font-size: 10pt; max-width: none; padding: 0; }
  .table { overflow: visible; } figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem;
  background: var(--paper); color: var(--ink); overflow-wrap: break-word; }
a { color: var(--link); }
h1 { font-size: 1.4rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin-top: 2rem; padding-top: .5rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; }
summary { cursor: pointer; }
.table { overflow-x: auto; max-width: 100%; scrollbar-width: thin; }
.table:focus-visible { outline: 2px solid var(--link); }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
thead th { vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
.table th:first-child, .table td:first-child { position: sticky; left: 0; background: var(--paper);
  min-width: min(11rem, 25vw); max-width: 45vw; white-space: normal;
  box-shadow: 1px 0 var(--line); }
td { white-space: nowrap; }
th:nth-child(2):last-child, td:nth-child(2):last-child { text-align: left; white-space: normal;
  overflow-wrap: anywhere; }
.side { display: grid; gap: 1.5rem; margin: 1.5rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
.side > figure { margin: 0; min-width: 0; }
figure { margin: 1.5rem 0; }
figcaption { color: var(--soft); font-size: .875rem; max-width: 44rem; }
figure img, figure > svg { width: 100%; max-width: 44rem; height: auto; background: #fff;
  border-radius: 4px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: 1rem;
  margin: 1rem 0; }
.card { margin: 0; font-size: .8rem; overflow-wrap: anywhere; }
.card img { display: block; aspect-ratio: 1; object-fit: contain; background: none; }
.card figcaption { font-size: inherit; line-height: 1.35; }
"""


def document(title: str, body: str, *, style: str = "", script: str = "") -> str:
    """A whole page.

    Args:
      body: HTML below the heading.
      style, script: CSS and JavaScript of this page, added to what all pages have; those of plots
        are added where the body has one.
    """
    if 'class="plot"' in body:
        style, script = plots.style() + style, plots.script() + script
    scripts = f"<script>{script}</script>\n" if script else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{body}{scripts}</body>\n</html>\n"
    )


def section(title: str, content: str) -> str:
    """HTML under a title of its own."""
    return f"<section><h2>{escape(title)}</h2>\n{content}</section>\n"


def heading(text: str) -> str:
    """A heading inside of a section."""
    return f"<h3>{escape(text)}</h3>\n"


def folded(summary: str, content: str) -> str:
    """HTML that stays hidden until the reader clicks the summary."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>\n"


def paragraphs(texts: Iterable[str]) -> str:
    """A paragraph for each text."""
    return "".join(f"<p>{escape(text)}</p>\n" for text in texts)


def links(pages: Iterable[tuple[str, str]]) -> str:
    """A list of links: what each says, and the path that it leads to."""
    items = (f'<li><a href="{escape(path)}">{escape(text)}</a></li>' for text, path in pages)
    return f"<ul>{''.join(items)}</ul>\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table that scrolls where the page is narrower."""
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = "".join(
        f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>\n" for row in rows
    )
    return grid(names, lines)


def grid(head: str, body: str) -> str:
    """A table of the HTML of its head's cells and of its lines."""
    return (
        '<div class="table" role="region" tabindex="0" aria-label="table"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n"
        "</table></div>\n"
    )


def side_by_side(figures: str) -> str:
    """Figures beside each other where the page is wide enough."""
    return f'<div class="side">{figures}</div>\n'


def image(content: bytes | str, alt: str) -> str:
    """An element that holds the image: its PNG bytes, or its SVG text.

    An SVG is part of the page, and not a file inside, so that its parts tell their texts. One that
    does more than draw is a file inside, where it can't.
    """
    if isinstance(content, str):
        if element := svg.inline(content, alt):
            return element
        kind, content = "svg+xml", content.encode()
    else:
        kind = "png"
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return f'<img alt="{escape(alt)}" src="{source}">'


def figure(content: bytes | str, alt: str, caption: str = "") -> str:
    """An image on a line of its own, above its caption."""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{image(content, alt)}{below}</figure>\n"


def cards(pictures: Iterable[tuple[bytes, str, Sequence[str]]]) -> str:
    """Small pictures beside each other.

    Args:
      pictures: PNG bytes, alternative text and lines of the caption of each.
    """
    return (
        '<div class="cards">'
        + "".join(
            f'<figure class="card">{image(content, alt)}'
            f"<figcaption>{'<br>'.join(map(escape, lines))}</figcaption></figure>"
            for content, alt, lines in pictures
        )
        + "</div>\n"
    )
