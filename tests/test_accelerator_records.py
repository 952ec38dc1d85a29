"""What was measured on cards, as experiments/throughput/results/accelerators holds it."""

import importlib.util
import json
import statistics
from pathlib import Path

import pytest

THROUGHPUT = Path(__file__).parents[1] / "experiments" / "throughput"
RECORDS = sorted((THROUGHPUT / "results" / "accelerators").glob("*.json"))

specification = importlib.util.spec_from_file_location("cards", THROUGHPUT / "cards.py")
assert specification and specification.loader
cards = importlib.util.module_from_spec(specification)
specification.loader.exec_module(cards)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_s_table_is_the_one_beside_it(path):
    record = json.loads(path.read_text())
    for result in record["measured"].values():
        for side, values in result["measured"].items():
            assert result["median"][side] == statistics.median(values)
    assert cards.table(record) == path.with_suffix(".md").read_text(), (
        "draw the table again: json.loads the record, and write what cards.table makes of it"
    )


def test_a_table_divides_the_first_side_and_names_what_is_missing():
    work = {
        "measured": {"ours": [90.0, 100.0, 130.0], "peer": [50.0]},
        "median": {"ours": 100.0, "peer": 50.0},
        "facts": {"ours": {"temporaries": 2.5e9, "compile_seconds": 12.3}},
        "left out": {"torch": "PyTorch for this card is not installed"},
    }
    table = cards.table(
        {
            "facts": {"card": "C"},
            "measured": {"step": work},
            "checks": {"bits": {"two runs equal": True}, "first step": {"cold": 20.04}},
        }
    )
    assert "| step | ours | 100 (90-130) | 1.00 | 2.5 GB | 12 s |" in table
    assert "|  | peer | 50 | 2.00 |  |  |" in table
    assert "| torch | not measured: PyTorch for this card is not installed" in table
    assert "| bits | two runs equal: yes |" in table
    assert "| first step | cold: 20.0 s |" in table
    assert table.endswith("card C\n")
