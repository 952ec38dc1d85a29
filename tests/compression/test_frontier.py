"""The frontier of an experiment: what is taken again, and what its table says."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "understanding" / "frontier.py"


@pytest.fixture(scope="module")
def frontier():
    spec = importlib.util.spec_from_file_location("frontier", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def figures(way, loss=0.5):
    """Of a network whose every cost is `kept` of what it was."""
    kept = 1 if way is None else way.options.get("kept", 1)
    cost = {key: round(1_024 * kept) for key in ("parameters", "flops", "bytes", "packed_bytes")}
    return {"top1": 0.9 if way is None else 0.87, "loss": loss, "milliseconds": 2.0, **cost}


def test_what_is_known_of_the_same_network_is_not_taken_again(frontier):
    ways, written, taken = frontier.ways(8), [], []

    def counted(way):
        taken.append(way)
        return figures(way)

    first = frontier.measure(ways[:5], counted, written.append, {})
    assert len(written) == 5 and taken == [None, *ways[:5]]
    taken.clear()
    second = frontier.measure(ways, counted, written.append, first)
    assert taken == [None, *ways[5:]] and list(second["after"]) == [str(way) for way in ways]
    other = frontier.measure(ways[:1], lambda way: figures(way, loss=0.4), written.append, second)
    assert list(other["after"]) == [str(ways[0])]


def test_the_table_sets_accuracy_and_costs_against_those_before(frontier):
    way = frontier.Way("magnitude", {"kept": 0.25, "steps": 8})
    found = frontier.measure([way], figures, lambda found: None, {})
    row = frontier.table(found).splitlines()[-1]
    assert row == (
        "| magnitude kept=0.25 steps=8 | 0.8700 | 3.00 | 4.00x | 4.00x | 4.00x | 4.00x | 2.0 |"
    )


def test_every_method_of_the_experiment_takes_its_options(frontier):
    from resnet_jax.compression.methods import METHODS
    from resnet_jax.tables import configure

    for way in frontier.ways(8):
        configure(METHODS, way.method, "method", way.options)


def test_the_figure_has_each_point(frontier):
    found = frontier.measure(frontier.ways(8), figures, lambda found: None, {})
    figure = frontier.draw(found)
    for axes in figure.axes:
        lines = {line.get_label(): line.get_xdata() for line in axes.get_lines()}
        assert list(lines["magnitude"]) == [0.0625, 0.125, 0.25, 0.5]
        assert list(lines["structured"]) == [0.25, 0.5, 0.75]
