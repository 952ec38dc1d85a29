"""Runs of a sweep, alone and as members of one program: what is in their folders afterwards."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from sweeps.folders import TINY

from resnet_jax.assembly import Assembly, configuration
from resnet_jax.sweeps import execute, records

SHORT = TINY.replace("train.steps=40", "train.steps=6")
TEXTS = {
    "diverges": f"{SHORT},optim.rate=1e30",
    "works": f"{SHORT},seed=1",
    "works too": f"{SHORT},seed=2,optim.rate=0.02",
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    for name, text in TEXTS.items():
        execute.execute(configuration.read(text), folder / name)
    return folder


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("together")
    workdirs, sizes, of_run = [folder / name for name in TEXTS], [], records.of_run
    configs = [configuration.read(text) for text in TEXTS.values()]

    def observed(
        workdir: Path, batch_size: int, status: str, reason: str, members: int
    ) -> records.Record:
        sizes.append(batch_size / members)
        return of_run(workdir, batch_size, status, reason, members)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "of_run", observed)
        statuses = execute.execute_members(configs, workdirs)
    assert list(statuses.values()) == ["diverged", "done", "done"]
    # Of the time that all spent together each gets its share.
    assert sizes == pytest.approx([32 / 3] * 3)
    # Nothing is trained twice.
    assert execute.execute_members(configs, workdirs) == {}
    return folder


def record(workdir: Path) -> records.Record:
    return records.Record(**records.read(workdir)["record"])


def saved(name: str, folder: Path):
    """The state of the newest checkpoint."""
    assembly = Assembly(configuration.read(TEXTS[name]))
    with assembly.checkpoints(folder / name) as checkpoints:
        return jax.device_get(checkpoints.restore(assembly.create_state()))


def lines(workdir: Path) -> list[dict]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def test_a_run_alone_leaves_a_record(alone):
    found = record(alone / "works")
    assert (found.status, found.reason, found.test_curve[-1][0]) == ("done", "", 6)
    assert found.test_error == 100 * (1 - lines(alone / "works")[-1]["eval/top1"])
    found = record(alone / "diverges")
    assert found.status == "diverged" and found.test_error is None
    # The reason is the message up to its colon; what is advised behind it is for the console.
    assert found.reason.startswith("train/") and ":" not in found.reason
    assert execute.execute(configuration.read(TEXTS["works"]), alone / "works") == {
        "workdir": str(alone / "works")
    }


@pytest.mark.parametrize("name", ["works", "works too"])
def test_every_member_is_saved_evaluated_and_recorded(alone, together, name):
    ours, theirs = saved(name, together), saved(name, alone)
    assert int(ours.step) == 6
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)
    numbers = [
        [{key: value for key, value in line.items() if "second" not in key} for line in lines(one)]
        for one in (together / name, alone / name)
    ]
    assert numbers[0] == numbers[1] and len(numbers[0]) == 6 and "eval/top1" in numbers[0][-1]
    one, other = (
        record(folder / name)._replace(seconds=0.0, spent=()) for folder in (together, alone)
    )
    assert one == other


def test_a_member_that_diverges_is_recorded_and_stops_no_other(together, alone):
    ours, theirs = (record(folder / "diverges") for folder in (together, alone))
    assert (ours.status, ours.reason) == (theirs.status, theirs.reason)
