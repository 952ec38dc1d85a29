"""What is kept of a run."""

import json

import pytest
from sweeps.folders import write_experiment

from resnet_jax.sweeps import experiment, records
from resnet_jax.tables import UserError
from resnet_jax.training.metrics import METRICS


def write_metrics(workdir, steps, **evaluated):
    """Training loss 1/step and half of the examples right; a test at the end."""
    workdir.mkdir(parents=True, exist_ok=True)
    lines = [
        {"step": step, "train/loss": 1 / step, "train/top1": 0.5, "images_per_second": 64.0}
        for step in range(1, steps + 1)
    ]
    lines[-1] |= {"eval/top1": 0.75, "eval/loss": 0.7, "eval/examples": 400, **evaluated}
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (workdir / "metrics.jsonl").write_text(text + '{"step": 9')


def test_the_record_of_a_run(tmp_path):
    write_metrics(tmp_path, 20)
    record = records.of_run(tmp_path, 32, "done")
    assert record.test_error == 25.0 and record.test_loss == 0.7
    # The last tenth of 20 updates.
    assert record.train_loss == pytest.approx((1 / 19 + 1 / 20) / 2)
    assert record.train_error == 50.0
    # 20 batches of 32 at 64 images a second.
    assert record.seconds == 10.0
    assert record.curve[0] == [1, 50.0, 1.0] and len(record.curve) == 20
    assert record.test_curve == [[20, 25.0]]
    assert record.others == {} and record.test_examples == 400
    assert record.spent == [[20, 0.75, 10.0, 0.0, 0.0]] and record.batch_size == 32


def test_an_accuracy_is_not_rounded_up_to_a_target(tmp_path):
    write_metrics(tmp_path, 20, **{"eval/top1": 37_998 / 50_000})
    assert records.of_run(tmp_path, 32, "done").spent[0][1] == 37_998 / 50_000


def test_the_record_of_a_run_names_its_devices(tmp_path):
    write_metrics(tmp_path, 20)
    assert records.of_run(tmp_path, 32, "done").devices == ""
    entries = [{"devices": f"1 x NVIDIA {kind}"} for kind in ("H200", "A100", "H200")]
    evaluated = {"devices": "1 x cpu", "images_seen": 0}
    (tmp_path / "environment.json").write_text(json.dumps([*entries, evaluated, {}, 3]))
    assert records.of_run(tmp_path, 32, "done").devices == "1 x NVIDIA A100, 1 x NVIDIA H200"


def test_the_time_of_the_run_that_it_went_on_from_is_not_its_own(tmp_path):
    write_metrics(tmp_path, 20)
    entries = [{"from_step": 10}, {"from_step": 15}]
    (tmp_path / "environment.json").write_text(json.dumps(entries))
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()[10:]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    record = records.of_run(tmp_path, 32, "done")
    assert record.seconds == 5.0 and record.spent == [[20, 0.75, 5.0, 0.0, 0.0]]


def test_members_share_the_time_of_their_program(tmp_path):
    write_metrics(tmp_path, 20)
    record = records.of_run(tmp_path, 32, "done", members=4)
    assert record.seconds == 2.5 and record.spent == [[20, 0.75, 2.5, 0.0, 0.0]]
    assert record.batch_size == 32


def test_a_metric_in_brief_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setitem(METRICS, "top2", METRICS["top1"])
    write_metrics(tmp_path, 20)
    assert records.of_run(tmp_path, 32, "done").others == {}
    write_metrics(tmp_path, 20, **{"eval/top2": 0.8, "eval/top5": 0.9})
    record = records.of_run(tmp_path, 32, "done")
    assert record.others == {"test_top2": 0.8}
    assert (record.figure("test_top2"), record.figure("test_error")) == (0.8, 25.0)
    assert record.figure("test_top3") is None


def test_a_long_run_has_a_short_curve(tmp_path):
    write_metrics(tmp_path, 4_000)
    curve = records.of_run(tmp_path, 32, "done").curve
    assert [point[0] for point in curve] == list(range(100, 4_001, 100))
    assert curve[1][2] == pytest.approx(sum(1 / step for step in range(101, 201)) / 100, abs=1e-5)


def test_a_run_that_diverged_has_no_figures_but_a_curve(tmp_path):
    write_metrics(tmp_path, 4)
    record = records.of_run(tmp_path, 32, "diverged", "train/loss became nan at step 5")
    assert record.test_error is None and record.train_loss is None and len(record.curve) == 4


@pytest.fixture
def task(tmp_path) -> experiment.Task:
    folder = write_experiment(tmp_path / "experiment", "Row('a', 'depth=14')")
    return experiment.tasks(experiment.load(folder), "smoke", 1)[0]


def test_a_record_is_found_in_the_runs_folder_and_then_in_the_kept_file(tmp_path, task):
    kept = tmp_path / "results" / "smoke.json"
    store = records.Store(tmp_path / "runs", kept)
    assert store.find(task) is None
    curves = {
        "curve": [[1, 2.0, 3.0]],
        "test_curve": [[1, 3.0]],
        "spent": [[1, 0.97, 2.0, 0.5, 0.0]],
    }
    record = records.Record("done", test_error=3.0, **curves)
    records.put(store.workdir(task), record)
    assert store.find(task) == record
    store.keep([task])
    elsewhere = records.Store(tmp_path / "other", kept)
    assert elsewhere.find(task) == record
    # The run's own folder knows better.
    records.put(elsewhere.workdir(task), record._replace(test_error=4.0))
    assert elsewhere.find(task).test_error == 4.0


def test_a_record_does_not_outlive_a_default_that_it_was_made_with(tmp_path, task, monkeypatch):
    kept = tmp_path / "smoke.json"
    store = records.Store(tmp_path / "runs", kept)
    records.put(store.workdir(task), records.Record("done", test_error=3.0))
    store.keep([task])
    defaults = experiment.defaults()

    def find(**changes):
        monkeypatch.setattr(records, "defaults", lambda: {**defaults, **changes})
        in_folder = records.Store(tmp_path / "runs", kept).find(task)
        in_file = records.Store(tmp_path / "none", kept).find(task)
        assert in_folder == in_file
        return in_file

    assert find(**{"optim.decay_rule": "kernels"}) is None
    # An option of the row that the run chose, unless the run sets it itself; of another row.
    momentum = f"optim={({**defaults, **task.changes})['optim.name']}:momentum"
    assert find(**{momentum: 0.5}) is None
    sets_it = task._replace(changes={**task.changes, "optim.momentum": 0.8})
    assert records.Store(tmp_path / "runs", kept).find(sets_it) is not None
    assert find(**{"optim=lamb:b1": 0.5}) is not None
    find(**{"optim.decay_rule": "kernels"})
    assert not records.is_over(store.workdir(task))
    # Nor is it kept as if it were of the new default.
    other = records.Store(tmp_path / "none", kept)
    other.keep([task])
    assert records.Store(tmp_path / "none", kept).find(task) is None
    store.keep([task])
    # The run sets this key itself, and that one is new.
    assert "optim.rate" in task.changes
    assert find(**{"optim.rate": 7.0, "model.later": 1}) is not None


def test_only_a_failure_is_tried_again(tmp_path):
    for status, over in (("done", True), ("diverged", True), ("failed", False)):
        records.put(tmp_path, records.Record(status))
        assert records.is_over(tmp_path) == over
    assert not records.is_over(tmp_path / "nothing")


@pytest.mark.parametrize("content", ["", "[1]", '{"record": {'])
def test_a_damaged_file_of_records_is_a_sentence(tmp_path, content):
    for name in ("result.json", "small.json"):
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=r"result\.json is damaged .*: remove it, and the sweep"):
        records.read(tmp_path)
    with pytest.raises(UserError, match=r"small\.json is damaged .*: put a copy of it back"):
        records.Store(tmp_path, tmp_path / "small.json")
