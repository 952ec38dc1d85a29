"""Mean corruption error, the table and the details, by arithmetic."""

import json

import numpy as np
import pytest

from resnet_jax.analysis.published import ALEXNET_ERRORS, PUBLISHED, mean_corruption_error
from resnet_jax.analysis.scorecard import Scores, grouped, line, table
from resnet_jax.data.changes.corruptions import CORRUPTIONS

FIGURES = {"examples": 4, "loss": 0.5, "top1": 0.75, "top5": 1.0, "calibration_error": 0.125}


def test_alexnet_has_a_mean_corruption_error_of_one():
    errors = {name: [error - 0.1, error, error + 0.1] for name, error in ALEXNET_ERRORS.items()}
    assert mean_corruption_error(errors) == pytest.approx(1)
    assert set(ALEXNET_ERRORS) == set(CORRUPTIONS)


def test_resnet_50s_published_corruption_errors_give_its_published_mean():
    """arXiv 1903.12261, Table 1: errors relative to AlexNet's, in the order of the columns."""
    relative = (80, 82, 83, 75, 89, 78, 80, 78, 75, 66, 57, 71, 85, 77, 77)
    errors = {
        name: [share / 100 * ALEXNET_ERRORS[name]]
        for name, share in zip(CORRUPTIONS, relative, strict=True)
    }
    (published,) = (row for row in PUBLISHED if row.metric == "mce")
    assert mean_corruption_error(errors) == pytest.approx(published.value, abs=0.003)


def test_parts_of_a_set_come_together():
    parts = {
        f"imagenet_c:{name}:{severity}": {**FIGURES, "top1": 1 - error * severity / 3}
        for name, error in ALEXNET_ERRORS.items()
        for severity in range(1, 6)
    }
    found = grouped({"imagenet_v2": FIGURES, **parts})
    assert list(found) == ["imagenet_v2", "imagenet_c"]
    assert found["imagenet_c"]["mce"] == pytest.approx(1)
    assert found["imagenet_c"]["examples"] == 300
    # A share of AlexNet's errors that grows evenly from 1/3 to 5/3.
    mean = sum(ALEXNET_ERRORS.values()) / len(ALEXNET_ERRORS)
    assert found["imagenet_c"]["top1"] == pytest.approx(1 - mean)
    assert found["imagenet_c"]["errors"]["fog"][2] == pytest.approx(ALEXNET_ERRORS["fog"])


def test_the_table_has_published_figures_beside_ones_own():
    text = table(FIGURES, {"imagenet_v2": FIGURES}, imagenet=True)
    lines = text.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [
        "imagenet",
        "imagenet_v2",
    ]
    assert any("IMAGENET1K_V2" in line and "0.8086" in line for line in lines)
    assert "published" not in table(FIGURES, {}, imagenet=False)
    assert len(table(FIGURES, {}, imagenet=False).splitlines()) == 2


def test_details_name_the_classes():
    scores = Scores(FIGURES, np.array([[3, 1], [0, 0]]))
    found = json.loads(json.dumps(scores.details(("ant", "bee", "cat"), np.array([0, 2]))))
    assert found["class_accuracies"] == {"ant": 0.75, "cat": None}
    assert found["confusion"] == [["ant", "ant", 3], ["ant", "cat", 1]]
    assert Scores(FIGURES, None).details(("ant",), None) == FIGURES


def test_the_line_of_one_set():
    words = "top1 0.7500, top5 1.0000, loss 0.5000, calibration error 0.1250 on 4 examples"
    assert line(FIGURES) == words
    assert line({"examples": 4, "top1": 0.5}) == "top1 0.5000 on 4 examples"
