"""What is damaged is noticed, and the checkpoint before is used."""

import json
import logging
import shutil

import pytest
from saved import Run, assert_equal, largest_file, save, state

from resnet_jax.tables import UserError
from resnet_jax.training.checkpoint import Checkpoints

pytestmark = pytest.mark.usefixtures("quiet_readers")


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


def test_a_checkpoint_of_another_run_counts_as_damaged(tmp_path, caplog):
    save(tmp_path, {1: None}, keep=2, owner=Run("mine"))
    save(tmp_path, {2: None}, keep=2, owner=Run("another"))
    with caplog.at_level(logging.ERROR):
        with Checkpoints(tmp_path, keep=2, owner=Run("mine")) as checkpoints:
            assert_equal(checkpoints.restore(state(0)), state(1))
        assert "checkpoint 2 is damaged (it is of another run: it is another)" in caplog.text


@pytest.mark.parametrize("content", ["[]", "null", "{", ""])
def test_a_folder_with_damaged_times_is_written_to(folder, content):
    """Orbax does not open a folder for writing where they are JSON and no object."""
    (folder / "3" / "_CHECKPOINT_METADATA").write_text(content)
    with Checkpoints(folder, keep=3) as checkpoints:
        assert_equal(checkpoints.restore(state(0)), state(3))
        checkpoints.save(state(4), {"top1": 0.0})
    with Checkpoints(folder, keep=3) as checkpoints:
        assert_equal(checkpoints.restore(state(0)), state(4))
