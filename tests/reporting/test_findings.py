"""What an analysis found, written and read back."""

import math

from matplotlib.figure import Figure

from resnet_jax.reporting.findings import Findings, read_findings, write_findings


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
