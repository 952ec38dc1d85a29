"""What the compiled step of eight devices sends between them."""

import json
import subprocess
import sys

import numpy as np
import pytest
from command_line import ROOT, environment


@pytest.fixture(scope="module")
def steps(tmp_path_factory) -> dict:
    """What step_on_devices.py finds: collectives as (kind, arrays, bytes of the results)."""
    out = tmp_path_factory.mktemp("step") / "step.json"
    done = subprocess.run(
        [sys.executable, "tests/step_on_devices.py", str(out)],
        cwd=ROOT,
        env={**environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


def total(step: dict, kind: str, what: int) -> int:
    return sum(found[what] for found in step["collectives"] if found[0] == kind)


# Loss, both accuracies and the count are summed beside.
METRICS = 4


@pytest.mark.parametrize("name", ["global", "of a device"])
def test_a_step_sums_gradients_once_and_sends_nothing_else(steps, name):
    step = steps[name]
    assert {kind for kind, _, _ in step["collectives"]} == {"all-reduce"}
    assert step["callbacks"] == 0
    sent = total(step, "all-reduce", 2)
    assert step["parameter_bytes"] <= sent < 1.05 * step["parameter_bytes"]


def test_statistics_of_the_global_batch_are_one_small_sum_forward_and_one_backward(steps):
    step = steps["global"]
    norms = step["norms"]
    # Mean and mean square; their gradients, which give those of scale and bias as well.
    others = step["parameters"] - 2 * norms
    assert total(step, "all-reduce", 1) == METRICS + others + 4 * norms
    assert len(step["collectives"]) <= 2 * norms + 2


def test_statistics_of_a_device_are_summed_for_the_running_averages_alone(steps):
    step = steps["of a device"]
    assert total(step, "all-reduce", 1) == METRICS + step["parameters"] + 2 * step["norms"]
    assert len(step["collectives"]) <= 2


def test_a_split_state_gathers_large_parameters_once(steps):
    step = steps["split state"]
    assert {kind for kind, _, _ in step["collectives"]} == {"all-reduce", "all-gather"}
    # The two 3x3 kernels of 64 x 64; all other arrays lie on every device.
    gathered = [found for found in step["collectives"] if found[0] == "all-gather"]
    assert [size for _, _, size in gathered] == [4 * 3 * 3 * 64 * 64] * 2
    sent = total(step, "all-reduce", 2)
    assert step["parameter_bytes"] <= sent < 1.05 * step["parameter_bytes"]
    assert max(size for _, _, size in gathered) < step["activation_bytes"]


def test_groups_on_one_device_are_the_statistics_of_each_of_eight(steps):
    one, eight = (np.array(steps["statistics"][name]) for name in ("one", "eight"))
    np.testing.assert_allclose(eight, one, rtol=0, atol=1e-9 * np.abs(one).max())
