"""What a browser makes of a page, at the width of a phone or of a screen."""

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path
from typing import Any

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
WIDTHS = (390, 1280)
# What is asked of every page. A window is never as narrow as a phone, so that the page stands in a
# frame, whose width is what its CSS goes by.
ASKED = """
const errors = [];
addEventListener('error', event => errors.push(event.message));
addEventListener('load', async () => {
  const seen = {};
  try { await (async seen => { PROBE })(seen); } catch (error) { errors.push(String(error)); }
  Object.assign(seen, {
    errors, width: innerWidth,
    requests: performance.getEntriesByType('resource').map(entry => entry.name)
      .filter(name => !name.startsWith('data:')),
    overflow: document.documentElement.scrollWidth > innerWidth,
    broken: [...document.images].filter(image => !image.naturalWidth).length,
    nameless: [...document.images].filter(image => !image.alt).length,
  });
  parent.document.title = 'seen' + JSON.stringify(seen) + 'end';
});
"""


def seen(html: str, folder: Path, width: int, probe: str = "") -> dict[str, Any]:
    """What JavaScript finds on the page: errors, requests, overflow, and what `probe` adds.

    Args:
      folder: for the browser's files.
      probe: statements that write into the object `seen`.
    """
    asked = f"<script>{ASKED.replace('PROBE', probe)}</script>"
    inner = html.replace("<head>", f"<head>{asked}", 1)
    path = folder / f"page-{width}.html"
    path.write_text(
        f'<!doctype html><meta charset="utf-8"><title></title><iframe width="{width}" height="900"'
        f' style="border:0" srcdoc="{escape(inner)}"></iframe>'
    )
    done = subprocess.run(
        [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1000",
         "--virtual-time-budget=10000", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    found = re.search(r"<title>seen(.*?)end</title>", done.stdout, re.DOTALL)
    assert found, done.stderr
    return json.loads(unescape(found[1]))


def assert_readable(found: dict[str, Any], width: int) -> None:
    """Nothing is broken, asks the network, or is wider than the page."""
    assert found["width"] == width
    assert found["errors"] == [] and found["requests"] == []
    assert not found["overflow"] and found["broken"] == 0 and found["nameless"] == 0
