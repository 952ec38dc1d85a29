"""What an analysis found, written and read back."""

import math

import pytest
from matplotlib.figure import Figure

from resnet_jax.reporting.findings import Findings, read_findings, write_findings
from resnet_jax.tables import UserError


def test_what_is_written_is_read_back(tmp_path):
    assert read_findings(tmp_path / "none") == []
    found = Findings({"loss": math.nan}, {"a": Figure(), "b": Figure()}, "It is so")
    path = write_findings(found, "lesion", tmp_path)
    write_findings(found._replace(figures={}, summary="Or so"), "cost", tmp_path)
    assert '"loss": null' in path.read_text()
    cost, lesion = read_findings(tmp_path)
    assert (cost.name, cost.summary, cost.figures) == ("cost", "Or so", [])
    assert (lesion.name, lesion.summary, len(lesion.figures)) == ("lesion", "It is so", 2)
    assert all("<svg" in figure for figure in lesion.figures)


@pytest.mark.parametrize("content", ["", "[1]", '{"summary": '])
def test_damaged_findings_are_a_sentence(tmp_path, content):
    (tmp_path / "lesion.json").write_text(content)
    with pytest.raises(UserError, match=r"lesion\.json is damaged .*: remove it"):
        read_findings(tmp_path)
