"""Results do not depend on which devices share a batch and a state."""

import json
import subprocess
import sys

import numpy as np
import pytest
from command_line import ROOT, environment

KINDS = {"float64": ("float64;20;100", 1e-9), "float32": ("float32;3;7", 1e-5)}
MESHES = {
    1: {"1": ""},
    8: {"8": ""},
}
MORE_MESHES = {
    "4x2,sharded": "mesh.data=4,mesh.model=2,mesh.shard_state=True",
    "2": "mesh.data=2",
    "4": "mesh.data=4",
    "2x4": "mesh.data=2,mesh.model=4",
    "8,sharded": "mesh.shard_state=True",
}


def on_devices(folder, devices: int, meshes: dict[str, str], dtypes: list[str]) -> None:
    settings = [
        f"{dtype}-{name}:{KINDS[dtype][0]};{changes}"
        for dtype in sorted(dtypes)  # float64 last: it changes the process
        for name, changes in meshes.items()
    ]
    done = subprocess.run(
        [sys.executable, "tests/on_devices.py", str(devices), str(folder), *settings],
        cwd=ROOT,
        env={**environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What on_devices.py finds on eight emulated devices and then on one, in float64."""
    folder = tmp_path_factory.mktemp("devices")
    on_devices(folder, 8, MESHES[8], ["float64"])
    on_devices(folder, 1, MESHES[1], ["float64"])
    return folder


@pytest.fixture(scope="module")
def folder_of_more(folder):
    on_devices(folder, 8, MESHES[8], ["float32"])
    on_devices(folder, 1, MESHES[1], ["float32"])
    on_devices(folder, 8, MORE_MESHES, list(KINDS))
    return folder


def figures(folder, dtype: str, name: str) -> dict:
    return json.loads((folder / f"{dtype}-{name}.json").read_text())


def check_agreement(folder, dtype: str, name: str) -> None:
    steps, tolerance = int(KINDS[dtype][0].split(";")[1]), KINDS[dtype][1]
    one, several = figures(folder, dtype, "1"), figures(folder, dtype, name)
    assert len(one["losses"]) == steps
    np.testing.assert_allclose(several["losses"], one["losses"], rtol=tolerance)
    scale = np.abs(one["statistics"]).max()
    np.testing.assert_allclose(
        several["statistics"], one["statistics"], rtol=0, atol=tolerance * scale
    )
    assert several["evaluation"] == pytest.approx(one["evaluation"], rel=tolerance)
    # Batches of 7 and 100 divide neither the 256 examples nor the devices.
    assert several["evaluation"]["examples"] == 256


@pytest.mark.slow
def test_one_and_eight_devices_agree(folder):
    check_agreement(folder, "float64", "8")


def restored_by_one_device(folder, dtype: str) -> None:
    names = {f"{dtype}-1", f"{dtype}-8"}
    assert set(figures(folder, dtype, "1")["restored"]) == names


@pytest.mark.slow
def test_one_device_restores_what_eight_saved(folder):
    restored_by_one_device(folder, "float64")


@pytest.mark.slow
def test_eight_devices_agree_with_one_and_restore_in_float32(folder_of_more):
    """Within 1e-5, where float64 has to agree within 1e-9."""
    check_agreement(folder_of_more, "float32", "8")
    restored_by_one_device(folder_of_more, "float32")


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE_MESHES)
@pytest.mark.parametrize("dtype", KINDS)
def test_one_device_and_other_meshes_agree(folder_of_more, dtype, name):
    check_agreement(folder_of_more, dtype, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE_MESHES)
@pytest.mark.parametrize("dtype", KINDS)
def test_other_meshes_restore_what_one_device_saved(folder_of_more, dtype, name):
    assert f"{dtype}-1" in figures(folder_of_more, dtype, name)["restored"]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", KINDS)
def test_a_split_state_agrees_to_the_last_bit(folder_of_more, dtype):
    """SGD with momentum is elementwise, and gradients are reduced the same way."""
    whole, split = figures(folder_of_more, dtype, "8"), figures(folder_of_more, dtype, "8,sharded")
    assert split["losses"] == whole["losses"]
    states = [np.load(folder_of_more / f"{dtype}-{name}.npz") for name in ("8", "8,sharded")]
    for one, other in zip(*(list(state.values()) for state in states), strict=True):
        np.testing.assert_array_equal(one, other)
