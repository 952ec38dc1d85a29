"""HTML pages that need no server, no other file and no network."""

import base64
from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; line-height: 1.25; }
h2 { font-size: 1.1rem; margin-top: 2rem; }
h3 { font-size: 1rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; }
td { white-space: nowrap; }
figure { margin: 1.5rem 0; }
figure img { width: 100%; max-width: 44rem; height: auto; background: #fff; border-radius: 4px; }
"""


def document(title: str, body: str, *, style: str = "", script: str = "") -> str:
    """A whole page.

    Args:
      body: HTML below the heading.
      style, script: CSS and JavaScript of this page, added to what all pages have.
    """
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
        f'<div class="table"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n'
        "</table></div>\n"
    )


def image(content: bytes | str, alt: str) -> str:
    """An image element that holds its PNG bytes or its SVG text."""
    kind = "png" if isinstance(content, bytes) else "svg+xml"
    data = content if isinstance(content, bytes) else content.encode()
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return f'<img alt="{escape(alt)}" src="{source}">'


def figure(content: bytes | str, alt: str) -> str:
    """An image on a line of its own."""
    return f"<figure>{image(content, alt)}</figure>\n"
