"""What the documentation shows works, and the pages are made from what the repository says."""

import re
import sys
from functools import partial
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from flax import nnx

from resnet_jax.assembly import configuration_files

ROOT = Path(__file__).parents[1]


@pytest.fixture
def pages(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import pages

    yield pages
    del sys.modules["pages"]


@pytest.mark.slow
def test_the_training_step_of_the_quick_start_trains():
    text = (ROOT / "docs/quick_start.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    names: dict = {}
    exec(compile(block, "quick start", "exec"), names)
    first = float(names["value"])
    step = names["step"]
    for _ in range(3):
        names["variables"], names["memory"], value = step(
            names["variables"], names["memory"], names["images"], names["labels"]
        )
    assert value < first


@pytest.fixture(scope="module")
def library() -> dict:
    """The names that the blocks of docs/library.md define, one after another."""
    text = (ROOT / "docs/library.md").read_text()
    names: dict = {}
    for block in re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        exec(compile(block, "library.md", "exec"), names)
    return names


@pytest.mark.slow
def test_the_library_page_says_what_its_code_gives(library):
    assert library["logits"].shape == (2, 10) and library["masks"].shape == (2, 32, 32, 4)
    assert library["shapes"] == {
        "stem": (2, 32, 32, 16), "stage1": (2, 32, 32, 16), "stage2": (2, 16, 16, 32),
        "stage3": (2, 8, 8, 64),
    }  # fmt: skip
    parts = library["of_segmenter"]["params"]
    assert set(parts) == {"backbone", "logits"} and "head" not in parts["backbone"]


@pytest.mark.slow
def test_a_step_of_the_nnx_module_is_that_of_the_flax_module(library):
    """The page's step, from the same variables on, beside one of the module that it bridges."""
    model, images, labels = (library[name] for name in ("model", "images", "labels"))
    before = library["variables"]

    def loss(params):
        logits, changed = model.apply(
            {**before, "params": params}, images, train=True, mutable=["batch_stats"]
        )
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), changed

    (value, changed), gradient = jax.value_and_grad(loss, has_aux=True)(before["params"])
    after = jax.tree.map(lambda leaf, slope: leaf - 0.1 * slope, before["params"], gradient)
    assert float(library["value"]) == pytest.approx(float(value), rel=1e-5)
    found = nnx.to_pure_dict(nnx.state(library["module"], nnx.Param))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), found, after)
    moved = nnx.to_pure_dict(nnx.state(library["module"], nnx.BatchStat))
    jax.tree.map(
        partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), moved, changed["batch_stats"]
    )


def test_every_configuration_has_a_page_with_what_it_changes(pages):
    texts = pages.configurations()
    assert set(texts) == {*configuration_files.names(), "index"}
    assert "| `train.steps` | `64000` | `None` |" in texts["cifar10"]
    assert "What it changes" not in texts["default"]


def test_every_section_of_the_readme_is_a_page(pages):
    titles = re.findall(r"^## (.*)$", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    texts = pages.guide()
    assert [text.partition("\n")[0] for text in texts.values()][: len(titles)] == [
        f"# {title}" for title in titles
    ]


def test_tables_of_results_are_drawn_from_the_records(pages):
    runs = [
        {
            "changes": {"model.depth": depth, "seed": seed},
            "record": {
                "status": status,
                **dict.fromkeys(pages.FIGURES.values(), depth + 2.0 * seed),
            },
        }
        for depth, seed, status in ((8, 0, "done"), (8, 1, "done"), (20, 0, "diverged"))
    ]
    head, _, shallow, deep = pages.table_of({"model.depth": 20, "model.shortcut": "B"}, runs)[:4]
    assert head.startswith("| `model.depth` | n | test error % |")
    assert deep == "| 8 | 2 | " + " | ".join(["9.000 ± 1.414"] * 4) + " |"
    assert shallow == "| 20 | 0 (diverged) |  |  |  |  |"


def test_links_to_what_the_site_has_not_are_text(pages):
    text = "![a](results/a.svg) [b](results/b.md)"
    assert pages.with_pictures(text, ROOT / "experiments/depth") == (
        "![a](../../../experiments/depth/results/a.svg) b (`experiments/depth/results/b.md`)"
    )


def test_markup_of_docstrings_is_escaped_outside_of_code(pages):
    lines = ["*args and name_ of `a_*b*`"]
    pages.escaped(None, "", "", None, None, lines)
    assert lines == [r"\*args and name\_ of `a_*b*`"]
