import logging
import multiprocessing
import os
from pathlib import Path

import jax
import numpy as np
import photographs
import pytest

from resnet_jax.data import chunks
from resnet_jax.data import order as orders
from resnet_jax.data.changes.augment import Augmentation
from resnet_jax.data.images.crops import RandomCrop
from resnet_jax.data.images.resizing import resizing
from resnet_jax.data.images.views import views
from resnet_jax.data.photographs import streamed
from resnet_jax.data.sources.catalogue import folder
from resnet_jax.data.stream import StreamedData
from resnet_jax.tables import UserError
from resnet_jax.tables.foreign import foreign_module

OPTIONS = {"image_size": 12, "steps": 10, "mean": (0.5,) * 3, "std": (0.25,) * 3}
BATCH = 8


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """21 photographs."""
    root = photographs.write(tmp_path_factory.mktemp("photographs"), "train", each=7)
    return folder(dir=str(root)).load("train")


@pytest.fixture(autouse=True, scope="module")
def two_rows_a_chunk():
    """So that a small batch has several chunks."""
    before, chunks.ROWS = chunks.ROWS, 2
    yield
    chunks.ROWS = before


def data(files, **options):
    return streamed(files, **{"workers": 0, **OPTIONS, **options})


def same(first, second):
    for one, two in zip(first, second, strict=True):
        for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
            np.testing.assert_array_equal(left, right)


def joined(shards):
    """Batches of several processes, put together."""
    return [
        jax.tree.map(lambda *leaves: np.concatenate(leaves), *batch)
        for batch in zip(*shards, strict=True)
    ]


class TestTraining:
    def test_batches_do_not_depend_on_workers_nor_on_where_one_begins(self, files):
        whole = data(files)
        expected = {step: whole.train_picks(3, step, BATCH) for step in (0, 1, 2, 9)}
        assert expected[0].images.shape == (BATCH, 12, 12, 3)
        for workers in (0, 1, 4):
            again = data(files, workers=workers)
            # Resumed at 1, then far ahead, then back.
            for step in (1, 2, 9, 0):
                same([again.train_picks(3, step, BATCH)], [expected[step]])

    def test_every_step_and_seed_has_a_batch_of_its_own(self, files):
        stream = data(files)
        batches = [stream.train_picks(seed, step, BATCH) for seed in (0, 1) for step in (0, 1)]
        assert len({batch.images.tobytes() for batch in batches}) == 4

    def test_epoch_meets_every_class_as_often_as_it_has_examples(self, files):
        labels = np.concatenate([data(files).train_picks(0, step, 7).labels for step in range(3)])
        np.testing.assert_array_equal(np.bincount(labels), [7, 7, 7])

    def test_shards_together_are_the_batch_of_one_process(self, files):
        expected = [data(files).train_picks(0, step, BATCH) for step in (4, 5)]
        shards = [data(files, shard=(index, 2)) for index in (0, 1)]
        same(joined([[s.train_picks(0, k, BATCH) for k in (4, 5)] for s in shards]), expected)

    def test_repeats_show_one_example_with_other_choices(self, files):
        batch = data(files, repeats=4).train_picks(0, 0, BATCH)
        assert len(set(batch.labels[:4])) == len(set(batch.labels[4:])) == 1
        assert len({image.tobytes() for image in batch.images}) == BATCH

    def test_size_may_change_with_the_step(self, files):
        class Growing:
            def __call__(self, step):
                return 8 + 4 * step

        function = chunks.TrainChunks(files, RandomCrop(), 0, BATCH,
                                      chunks.chunks_of(range(BATCH)), Growing())  # fmt: skip
        sizes = [function(number).images.shape for number in (0, 3, 4, 8)]
        assert sizes == [(2, 8, 8, 3), (2, 8, 8, 3), (2, 12, 12, 3), (2, 16, 16, 3)]
        assert function.nbytes(8) == 2 * 16 * 16 * 3

    def test_step_normalises_and_flips(self, files):
        stream = data(files, augmentation=Augmentation(flip=True))
        picks = stream.train_picks(0, 0, BATCH)
        batch = jax.device_get(stream.train_batch({}, picks, jax.random.key(0)))
        plain = (picks.images / 255 - 0.5) / 0.25
        turned = np.abs(batch.images - plain[:, :, ::-1]).max((1, 2, 3)) < 1e-5
        kept = np.abs(batch.images - plain).max((1, 2, 3)) < 1e-5
        assert (turned ^ kept).all() and turned.any() and kept.any()
        np.testing.assert_array_equal(batch.labels, picks.labels)

    def test_flips_may_alternate(self, files):
        """The step mirrors what the picks say, which two epochs of 21 photographs say once each."""
        options = {"augmentation": Augmentation(flip="alternating")}
        whole = data(files, **options)
        picks = [whole.train_picks(3, step, 6) for step in range(7)]
        batch = jax.device_get(whole.train_batch({}, picks[1], jax.random.key(0)))
        plain = (picks[1].images / 255 - 0.5) / 0.25
        sides = np.where(picks[1].flipped[:, None, None, None], plain[:, :, ::-1], plain)
        np.testing.assert_allclose(batch.images, sides, rtol=1e-5, atol=1e-6)
        first, second = np.concatenate([pick.flipped for pick in picks]).reshape(2, 21)
        order = [orders.stream(3, 21 * epoch, 21, 21) for epoch in range(2)]
        np.testing.assert_array_equal(first[np.argsort(order[0])], ~second[np.argsort(order[1])])
        assert first.any() and not first.all()
        shards = [data(files, shard=(index, 2), **options) for index in (0, 1)]
        same(joined([[s.train_picks(3, 4, 6)] for s in shards]), [picks[4]])


class TestEvaluation:
    @pytest.mark.parametrize("batch_size, multiple, count", [(5, 1, 1), (6, 4, 2), (100, 8, 2)])
    def test_each_example_counts_once(self, files, batch_size, multiple, count):
        whole = list(data(files).eval_picks(batch_size, multiple))
        assert sum(pick.mask.sum() for pick in whole) == 21
        assert {pick.images.shape[1:] for pick in whole} == {(1, 12, 12, 3)}
        assert len({len(pick.mask) for pick in whole}) == 1
        assert len(whole[0].mask) % multiple == 0
        labels = np.concatenate([pick.labels[pick.mask] for pick in whole])
        np.testing.assert_array_equal(labels, np.repeat([0, 1, 2], 7))
        shards = [data(files, shard=(index, count)) for index in range(count)]
        same(joined([list(s.eval_picks(batch_size, multiple)) for s in shards]), whole)

    def test_workers_change_nothing(self, files):
        expected = list(data(files).eval_picks(8, 2))
        same(list(data(files, workers=2).eval_picks(8, 2)), expected)

    def test_size_and_ratio_are_its_own(self, files):
        stream = data(files, eval_size=16, crop_ratio=1.0)
        picks = next(stream.eval_picks(4))
        assert picks.images.shape == (4, 1, 16, 16, 3)
        assert stream.eval_batch({}, picks).images.shape == (4, 16, 16, 3)


@pytest.fixture
def damaged(tmp_path):
    """Nine photographs, one of them cut off and one gone."""
    root = photographs.write(tmp_path, "train")
    examples = folder(dir=str(root)).load("train")
    cut, gone = (Path(examples.name(index)) for index in (2, 5))
    cut.write_bytes(cut.read_bytes()[:200])
    gone.unlink()
    return examples, cut, gone


def test_a_policy_in_a_file_of_the_user_reaches_the_workers(files, tmp_path):
    path = tmp_path / "my_rows.py"
    path.write_text(
        "class Black:\n"
        "    def __call__(self, draw, image):\n"
        "        return image.point(lambda _: 0)\n"
    )
    streams = [data(files, policy=f"{path}:Black", workers=workers) for workers in (0, 1)]
    # The workers run it as it ran here, wherever it went since, and no other file.
    path.unlink()
    other = tmp_path / "other_rows.py"
    other.write_text(f"import os\nassert os.getpid() == {os.getpid()}\n")
    foreign_module(other)
    for stream in streams:
        assert not stream.train_picks(0, 0, BATCH).images.any()


class TestUnreadable:
    def test_training_passes_over_them_counts_and_logs(self, damaged, caplog):
        examples, cut, gone = damaged
        stream = data(examples)
        with caplog.at_level(logging.ERROR):
            batches = [stream.train_picks(0, step, 9) for step in range(3)]
        assert set(stream.skipped) == {str(cut), str(gone)}
        assert all(len(batch.labels) == 9 and batch.mask.all() for batch in batches)
        assert all((batch.images.max((1, 2, 3)) > 0).all() for batch in batches)
        logged = [record.getMessage() for record in caplog.records]
        assert len(logged) == 2  # once for each, however often they come
        assert logged[1].endswith("another image takes its place; 2 so far")
        assert any(str(gone) in line and "No such file" in line for line in logged)
        # What takes their place is a function of the seed as well.
        other = data(examples, workers=2)
        same([other.train_picks(0, step, 9) for step in (2, 0)], [batches[2], batches[0]])
        assert set(other.skipped) == set(stream.skipped)

    @pytest.mark.parametrize("workers", [0, 1])
    def test_evaluation_stops_and_names_it(self, damaged, workers):
        examples, cut, _ = damaged
        with pytest.raises(UserError) as error:
            list(data(examples, workers=workers).eval_picks(4))
        assert str(error.value).startswith(f"{cut} can't be read (")
        assert "evaluation leaves no image out" in str(error.value)

    def test_training_stops_where_nothing_can_be_read(self, tmp_path):
        root = photographs.write(tmp_path, "train")
        examples = folder(dir=str(root)).load("train")
        for path in root.rglob("*.JPEG"):
            path.write_bytes(b"")
        with pytest.raises(UserError, match=r"10 images in a row can't be read.*the file is empty"):
            data(examples).train_picks(0, 0, 4)


class TestDeath:
    def test_training_goes_on_when_a_worker_dies(self, files, caplog):
        whole = data(files)
        others = set(multiprocessing.active_children())
        stream = data(files, workers=2)
        stream.train_picks(0, 0, BATCH)
        worker, *_ = set(multiprocessing.active_children()) - others
        with caplog.at_level(logging.ERROR):
            worker.kill()
            worker.join()
            # The other worker may make some batches before the death is noticed.
            for step in range(1, 300):
                same([stream.train_picks(0, step, BATCH)], [whole.train_picks(0, step, BATCH)])
                if step > 7 and "died; all of them are started again" in caplog.text:
                    break
        assert "died; all of them are started again" in caplog.text

    def test_workers_that_die_again_and_again_stop_it(self, files):
        options = {"sizes": resizing(None, 12, (0.0, 1.0), 10), "eval_transform": views(12)}
        stream = StreamedData(
            files, train_transform=Deadly(), workers=1, mean=(0.5,), std=(0.25,), **options
        )
        with pytest.raises(UserError, match=r"died 3 times in a row.*data.workers"):
            stream.train_picks(0, 0, BATCH)


class Deadly:
    """A transform that takes its process with it."""

    def __call__(self, draw, encoded, size):
        os._exit(1)
