"""Results do not depend on how many devices share a batch."""

import json
import subprocess
import sys

import numpy as np
import pytest
from command_line import ROOT, environment


@pytest.fixture(scope="module")
def figures(tmp_path_factory) -> dict[int, dict]:
    """What on_devices.py finds on one and on eight emulated devices."""
    folder = tmp_path_factory.mktemp("devices")
    found = {}
    for devices in (1, 8):
        out = folder / f"{devices}.json"
        script = ROOT / "tests" / "on_devices.py"
        done = subprocess.run(
            [sys.executable, str(script), str(devices), str(out)],
            cwd=ROOT,
            env={**environment(), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        found[devices] = json.loads(out.read_text())
    return found


@pytest.mark.parametrize(
    ("dtype", "steps", "tolerance"), [("float64", 20, 1e-9), ("float32", 3, 1e-5)]
)
def test_one_and_eight_devices_agree(figures, dtype, steps, tolerance):
    one, eight = figures[1][dtype], figures[8][dtype]
    assert len(one["losses"]) == steps
    np.testing.assert_allclose(eight["losses"], one["losses"], rtol=tolerance)
    scale = np.abs(one["statistics"]).max()
    np.testing.assert_allclose(
        eight["statistics"], one["statistics"], rtol=0, atol=tolerance * scale
    )
    assert eight["evaluation"] == pytest.approx(one["evaluation"], rel=tolerance)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("devices", [1, 8])
def test_evaluation_counts_every_example_once(figures, devices, dtype):
    """Batches of 7 and 100 divide neither the 256 examples nor the devices."""
    assert figures[devices][dtype]["evaluation"]["examples"] == 256
