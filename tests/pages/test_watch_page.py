"""The page of runs under way: what it shows, and how it follows them."""

import json
import threading
import urllib.error
import urllib.request

import pytest
from browser import BROWSER, WIDTHS, assert_readable, seen
from command_line import mistake

from resnet_jax.pages import watch
from resnet_jax.verbs.watch import serving


def append(run, **figures):
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(figures) + "\n")


@pytest.fixture
def folder(tmp_path):
    for name, loss in (("rate=0.1", 2.5), ("<b>", 1.5)):
        run = tmp_path / "runs" / name
        run.mkdir(parents=True)
        append(run, **{"step": 1, "train/loss": loss, "train/top1": 0.25, "lr": 0.1})
        append(run, **{"step": 2, "train/loss": loss - 1, "train/top1": 0.5, "eval/top1": 0.375,
                       "images_per_second": 123.4})  # fmt: skip
    return tmp_path / "runs"


def test_the_state_is_what_the_files_say(folder):
    found = watch.state(folder)
    assert [row[:5] for row in found["rows"]] == [
        ["<b>", "2", "0.5", "0.375", "123"],
        ["rate=0.1", "2", "1.5", "0.375", "123"],
    ]
    losses = found["plots"][0]
    assert losses["names"] == ["<b>", "rate=0.1"]
    assert losses["values"] == [[1, 2], [1.5, 0.5], [2.5, 1.5]]
    append(folder / "<b>", **{"step": 3, "train/loss": 0.25})
    assert watch.state(folder)["plots"][0]["values"][1] == [1.5, 0.5, 0.25]


def test_a_run_alone_has_the_name_of_its_folder(folder):
    assert list(watch.runs(folder / "rate=0.1")) == ["rate=0.1"]


def test_a_folder_without_runs_is_refused(tmp_path):
    assert "holds no run" in mistake("watch", str(tmp_path))


def test_the_server_answers_this_machine(folder):
    server = serving(folder, 0, 5)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    assert server.server_address[0] == "127.0.0.1"
    try:
        with urllib.request.urlopen(f"{address}/") as answer:
            assert "<td>rate=0.1</td>" in answer.read().decode()
        with urllib.request.urlopen(f"{address}/state") as answer:
            assert json.load(answer)["rows"][0][0] == "<b>"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{address}/config.json").close()
        assert "--port=" in mistake("watch", str(folder), f"--port={server.server_port}")
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")
@pytest.mark.parametrize("width", WIDTHS)
def test_a_browser_follows_the_runs(folder, tmp_path, width):
    """A curve that the reader has hidden stays hidden when the page reads the files anew."""
    html = watch.page(folder, 5)
    append(folder / "rate=0.1", **{"step": 3, "train/loss": 0.25})
    probe = """
    window.fetch = async () => ({json: async () => (STATE)});
    document.querySelectorAll('.plot .u-series th')[1].click();
    await refresh();
    const rows = [...document.querySelector('tbody').rows];
    seen.rows = rows.map(row => row.cells[1].textContent);
    seen.loss = plots[0].plot.data[2];
    seen.shown = plots[0].plot.series.slice(1).map(one => one.show);
    """.replace("STATE", json.dumps(watch.state(folder)).replace("<", "\\u003c"))
    found = seen(html, tmp_path, width, probe)
    assert_readable(found, width)
    assert found["rows"] == ["2", "3"]
    assert found["loss"] == [2.5, 1.5, 0.25] and found["shown"] == [False, True]
