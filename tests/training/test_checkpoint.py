import json
import logging
import shutil
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from resnet_jax.models.building import resnet
from resnet_jax.models.scan import stack_blocks, unstack_blocks
from resnet_jax.tables import UserError
from resnet_jax.training.checkpoint import Checkpoints
from resnet_jax.training.state import TrainState

pytestmark = pytest.mark.usefixtures("quiet_readers")


def state(step, *, ema=True):
    """A state with leaves of several types, whose values tell its step."""
    draw = np.random.default_rng(step)
    variables = {
        "params": {
            "kernel": jnp.array(draw.normal(size=(50, 40)), jnp.float32),
            "half": jnp.array(draw.normal(size=3), jnp.bfloat16),
        },
        "batch_stats": {"norm": {"mean": jnp.array(draw.normal(size=4), jnp.float32)}},
    }
    created = TrainState.create(variables, optax.adam(0.1), ema=ema)
    return created.replace(step=jnp.int32(step))


def assert_equal(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.dtype == other.dtype
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def save(folder, top1_of_step, **options):
    with Checkpoints(folder, **options) as checkpoints:
        for step, top1 in top1_of_step.items():
            checkpoints.save(state(step), None if top1 is None else {"top1": top1, "loss": 1.0})


@pytest.mark.parametrize("ema", [True, False])
def test_round_trip_is_bit_for_bit(tmp_path, ema):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state(7, ema=ema))
    with Checkpoints(tmp_path) as checkpoints:
        assert_equal(checkpoints.restore(state(0, ema=ema)), state(7, ema=ema))


def test_nothing_to_restore(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.restore(state(0)) is None
        assert checkpoints.best_step is None
        with pytest.raises(UserError, match=r"no checkpoint of step 3 .*there are: \[\]"):
            checkpoints.restore(state(0), 3)


def test_a_chosen_step(tmp_path):
    save(tmp_path, {1: None, 2: None}, keep=2)
    with Checkpoints(tmp_path) as checkpoints:
        assert_equal(checkpoints.restore(state(0), 1), state(1))
        with pytest.raises(UserError, match=r"step 3 in .*; there are: \[1, 2\]"):
            checkpoints.restore(state(0), 3)


def test_a_step_is_saved_once(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state(1))
        checkpoints.wait()
        checkpoints.save(state(9).replace(step=jnp.int32(1)))
        assert_equal(checkpoints.restore(state(0)), state(1))


class TestKeeping:
    @pytest.mark.parametrize("keep", [1, 2])
    def test_newest(self, tmp_path, keep):
        save(tmp_path, {1: 0.9, 2: 0.1, 3: 0.2, 4: 0.3}, keep=keep)
        with Checkpoints(tmp_path) as checkpoints:
            assert checkpoints.steps == [1, 2, 3, 4][-keep:]

    def test_best_beside_them(self, tmp_path):
        save(tmp_path, {1: 0.2, 2: 0.9, 3: 0.5, 4: 0.4}, keep=1, keep_best=2)
        with Checkpoints(tmp_path) as checkpoints:
            assert checkpoints.steps == [2, 3, 4]
            assert checkpoints.best_step == 2
            assert_equal(checkpoints.restore(state(0), checkpoints.best_step), state(2))

    def test_best_of_before_a_restart_stays(self, tmp_path):
        for step, top1 in {1: 0.2, 2: 0.9, 3: 0.5, 4: 0.4}.items():
            save(tmp_path, {step: top1}, keep=1, keep_best=1)
        with Checkpoints(tmp_path) as checkpoints:
            assert checkpoints.steps == [2, 4]
            assert checkpoints.best_step == 2

    def test_those_without_an_evaluation_go(self, tmp_path):
        save(tmp_path, {1: 0.9, 2: None, 3: None, 4: 0.1, 5: None}, keep=1, keep_best=1)
        with Checkpoints(tmp_path) as checkpoints:
            assert checkpoints.steps == [1, 5]


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def delete(path):
    path.unlink()


def folder_in_its_place(path):
    path.unlink()
    path.mkdir()


def other_figures(path):
    path.write_text('{"top1": 0.0, "loss": 1.0}')


def largest_file(folder):
    return max(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda p: p.stat().st_size
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    save(folder, {1: 0.1, 2: 0.2, 3: 0.3}, keep=3)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "checkpoints")


class TestDamage:
    @pytest.mark.parametrize("damage", [truncate, flip_a_byte, delete])
    def test_falls_back_and_says_so(self, folder, damage, caplog):
        damage(largest_file(folder / "3"))
        damaged_files = sorted(path.name for path in (folder / "3").rglob("*"))
        with caplog.at_level(logging.ERROR), Checkpoints(folder, keep=3) as checkpoints:
            assert_equal(checkpoints.restore(state(0)), state(2))
            assert "checkpoint 3 is damaged" in caplog.text
            assert checkpoints.steps == [1, 2]
            assert sorted(p.name for p in (folder / "damaged" / "3").rglob("*")) == damaged_files
            # The run goes on and saves the same step again.
            checkpoints.save(state(3), {"top1": 0.3})
            checkpoints.wait()
            assert_equal(checkpoints.restore(state(0)), state(3))

    def test_every_file_may_break(self, folder, subtests):
        """Either the newest is restored as it was, or the one before is."""
        for number, path in enumerate(sorted((folder / "3").rglob("*"))):
            if not path.is_file():
                continue
            with subtests.test(file=str(path.relative_to(folder))):
                damaged = shutil.copytree(folder, folder.parent / f"copy{number}")
                flip_a_byte(damaged / path.relative_to(folder))
                with Checkpoints(damaged, keep=3) as checkpoints:
                    found = checkpoints.restore(state(0))
                    step = int(found.step)
                    assert step in (2, 3)
                    assert_equal(found, state(step))

    def test_damaged_twice(self, folder):
        for _ in range(2):
            truncate(largest_file(folder / "3"))
            with Checkpoints(folder, keep=3) as checkpoints:
                assert int(checkpoints.restore(state(0)).step) == 2
                checkpoints.save(state(3))
        assert len(list((folder / "damaged").iterdir())) == 2

    def test_all_are_damaged(self, folder):
        """Each time it is asked, since starting anew would overwrite what may yet be mended."""
        for step in "123":
            flip_a_byte(largest_file(folder / step))
        for _ in range(2):
            with (
                Checkpoints(folder, keep=3) as checkpoints,
                pytest.raises(UserError, match=r"\[1, 2, 3\] are damaged.*new workdir"),
            ):
                checkpoints.restore(state(0))
            assert {path.name for path in folder.iterdir()} == {"1", "2", "3"}

    def test_a_chosen_step_has_no_substitute(self, folder):
        flip_a_byte(largest_file(folder / "2"))
        with Checkpoints(folder, keep=3) as checkpoints:
            with pytest.raises(UserError, match=r"\[2\] are damaged"):
                checkpoints.restore(state(0), 2)
            assert checkpoints.steps == [1, 2, 3]

    @pytest.mark.parametrize("damage", [truncate, delete, folder_in_its_place, other_figures])
    def test_damaged_metrics_are_written_anew(self, folder, damage, caplog):
        """The record has them too; Orbax would keep the wrong one as the best, or stop at it."""
        damage(folder / "3" / "metrics" / "metrics")
        with caplog.at_level(logging.ERROR), Checkpoints(folder, keep=1, keep_best=1) as found:
            assert found.best_step == 3
            assert_equal(found.restore(state(0)), state(3))
            assert "damaged" not in caplog.text  # who only reads changes nothing
            for step in (4, 5):
                found.save(state(step), {"top1": 0.0})
            found.wait()
            assert "3/metrics/metrics are damaged" in caplog.text
            assert found.steps == [3, 5] and found.best_step == 3

    @pytest.mark.parametrize("damage", [truncate, delete, folder_in_its_place])
    def test_damaged_metrics_of_a_version_before_records(self, folder, damage, caplog):
        """Nothing else has them: the checkpoint then counts as one without an evaluation."""
        for step in "123":
            path = folder / step / "checksum" / "metadata"
            path.write_text(json.dumps({"crc32": json.loads(path.read_text())["arrays"]}))
        damage(folder / "3" / "metrics" / "metrics")
        with caplog.at_level(logging.ERROR), Checkpoints(folder, keep=1, keep_best=1) as found:
            assert found.best_step == 2
            assert_equal(found.restore(state(0)), state(3))
            found.save(state(4), {"top1": 0.0})
            found.wait()
            assert found.steps == [2, 4]

    def test_folders_of_two_steps_that_are_swapped(self, folder, caplog):
        for before, after in (("3", "aside"), ("2", "3"), ("aside", "2")):
            (folder / before).rename(folder / after)
        with caplog.at_level(logging.ERROR), Checkpoints(folder, keep=3) as checkpoints:
            assert checkpoints.best_step == 1
            assert_equal(checkpoints.restore(state(0)), state(1))
        assert "checkpoint 3 is damaged (it is that of step 2)" in caplog.text
        assert "checkpoint 2 is damaged (it is that of step 3)" in caplog.text

    def test_swapped_folders_of_a_version_before_records(self, folder, caplog):
        for step in "123":
            path = folder / step / "checksum" / "metadata"
            path.write_text(json.dumps({"crc32": json.loads(path.read_text())["arrays"]}))
        (folder / "3").rename(folder / "7")
        with caplog.at_level(logging.ERROR), Checkpoints(folder, keep=3) as checkpoints:
            assert_equal(checkpoints.restore(state(0)), state(2))
        assert "checkpoint 7 is damaged (it is that of step 3)" in caplog.text


class Run:
    """Stands for a run's identity; see record.Owner."""

    def __init__(self, name):
        self._name = name

    def as_json(self):
        return {"name": self._name}

    def unlike(self, stored):
        return "" if stored["name"] == self._name else f"it is {stored['name']}"


def test_a_checkpoint_of_another_run_counts_as_damaged(tmp_path, caplog):
    save(tmp_path, {1: None}, keep=2, owner=Run("mine"))
    save(tmp_path, {2: None}, keep=2, owner=Run("another"))
    with caplog.at_level(logging.ERROR):
        with Checkpoints(tmp_path, keep=2, owner=Run("mine")) as checkpoints:
            assert_equal(checkpoints.restore(state(0)), state(1))
        assert "checkpoint 2 is damaged (it is of another run: it is another)" in caplog.text


@pytest.mark.parametrize("step", [3, 5])
def test_half_written_checkpoint_is_ignored_and_goes_with_the_next_save(tmp_path, step):
    save(tmp_path, {1: None, 2: None}, keep=2)
    # What a process leaves that is killed while it saves.
    half = tmp_path / f"{step}.orbax-checkpoint-tmp"
    shutil.copytree(tmp_path / "2", half)
    (half / "commit_success.txt").unlink(missing_ok=True)
    largest_file(half).unlink()

    with Checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.steps == [1, 2]
        assert_equal(checkpoints.restore(state(0)), state(2))
    assert half.exists()  # it could belong to a run that is saving just now

    save(tmp_path, {3: None}, keep=2)
    assert not half.exists()
    with Checkpoints(tmp_path) as checkpoints:
        assert_equal(checkpoints.restore(state(0)), state(3))


@pytest.fixture(scope="module")
def scanned():
    network = resnet(
        family="cifar",
        classes=3,
        stage_depths=(3, 1, 2),
        widths=(4, 8, 8),
        stem_width=4,
        scan_blocks=True,
    )
    init = jax.jit(partial(network.init, train=False))
    variables = init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    return TrainState.create(variables, optax.adam(0.1), ema=True)


class TestScannedLayout:
    def test_saved_scanned_and_restored_unrolled(self, tmp_path, scanned):
        with Checkpoints(tmp_path, to_stored=unstack_blocks, from_stored=stack_blocks) as scan:
            scan.save(scanned)
            scan.wait()
            assert_equal(scan.restore(scanned), scanned)

        expected = unstack_blocks(scanned)
        with Checkpoints(tmp_path) as unrolled:
            found = unrolled.restore(jax.tree.map(jnp.zeros_like, expected))
        assert_equal(found, expected)
        for index, block in enumerate(("block2", "block3")):
            jax.tree.map(
                lambda one, all_blocks, index=index: np.testing.assert_array_equal(
                    one, all_blocks[index]
                ),
                found.opt_state[0].mu["stage1"][block],
                scanned.opt_state[0].mu["stage1"]["blocks"],
            )

    def test_saved_unrolled_and_restored_scanned(self, tmp_path, scanned):
        with Checkpoints(tmp_path) as unrolled:
            unrolled.save(unstack_blocks(scanned))
        with Checkpoints(tmp_path, to_stored=unstack_blocks, from_stored=stack_blocks) as scan:
            assert_equal(scan.restore(scanned), scanned)
