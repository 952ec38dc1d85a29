"""The notebook runs from its first cell to its last."""

import contextlib
import io
import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs/notebook.ipynb"


@pytest.mark.slow
def test_the_notebook_runs(monkeypatch):
    pytest.importorskip("pandas")
    monkeypatch.chdir(NOTEBOOK.parent)
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    names: dict = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for number, cell in enumerate(cells):
            if cell["cell_type"] == "code":
                source = "".join(cell["source"])
                exec(compile(source, f"cell {number}", "exec"), names)
    assert names["accuracy"] > 0.9
    assert "test accuracy" in printed.getvalue()
    assert (names["table"]["test_error_mean"] > 0).all()
