import jax
import numpy as np
import pytest

from resnet_jax.data.changes.augment import Augmentation
from resnet_jax.data.images.views import views
from resnet_jax.data.order import stream
from resnet_jax.data.resident import ResidentData
from resnet_jax.data.sources.decoded import ImageSet
from resnet_jax.tables import UserError


def resident(examples, **options):
    """Images whose one pixel is the example's number, with twice that as the label."""
    numbers = np.arange(examples)
    images = (numbers % 256).astype(np.uint8).reshape(-1, 1, 1, 1)
    image_set = ImageSet(images, (2 * numbers).astype(np.int32))
    return ResidentData(image_set, mean=(0.0,), std=(1 / 255,), **options)


def epochs(seed, examples, count):
    return stream(seed, 0, examples * count, examples).reshape(count, examples)


class TestStream:
    def test_each_epoch_holds_every_example_once(self):
        for epoch in epochs(seed=3, examples=17, count=4):
            np.testing.assert_array_equal(np.sort(epoch), np.arange(17))

    def test_epochs_and_seeds_have_orders_of_their_own(self):
        orders = [*epochs(0, 17, 3), *epochs(1, 17, 3)]
        assert len({order.tobytes() for order in orders}) == 6
        assert np.arange(17).tobytes() not in {order.tobytes() for order in orders}

    @pytest.mark.parametrize("batch_size", [1, 5, 17, 40])
    def test_batches_cut_one_sequence_wherever_one_begins(self, batch_size):
        data = resident(17)
        whole = stream(3, 0, 8 * batch_size, 17).reshape(8, batch_size)
        for step in (5, 0, 7, 1, 1, 6):
            np.testing.assert_array_equal(
                data.train_picks(3, step, batch_size).indices, whole[step]
            )

    def test_far_ahead_needs_nothing_before(self):
        epoch = 10**6
        order = stream(0, epoch * 50_000, 50_000, 50_000)
        assert len(np.unique(order)) == 50_000

    def test_every_training_example_counts(self):
        assert resident(17).train_picks(0, 3, 5).mask.tolist() == [True] * 5


@pytest.mark.parametrize("examples", [1, 100, 10_000])
@pytest.mark.parametrize("batch_size", [1_000, 999, 7])
@pytest.mark.parametrize("multiple", [1, 2, 8])
def test_evaluation_meets_each_example_once(examples, batch_size, multiple):
    picks = list(resident(examples).eval_picks(batch_size, multiple))

    seen = np.concatenate([pick.indices[pick.mask] for pick in picks])
    np.testing.assert_array_equal(np.sort(seen), np.arange(examples))
    assert sum(pick.mask.sum() for pick in picks) == examples

    sizes = {len(array) for pick in picks for array in jax.tree.leaves(pick)}
    assert len(sizes) == 1  # so that it compiles once
    (size,) = sizes
    assert size % multiple == 0
    assert size < min(batch_size, examples) + multiple  # no larger than need be
    assert all(pick.indices.min() >= 0 and pick.indices.max() < examples for pick in picks)


class TestBatches:
    def test_picked_examples_come_normalised_with_their_labels(self):
        data = resident(20)
        picks = next(data.eval_picks(6, multiple=4))
        batch = data.eval_batch(data.arrays, picks)
        np.testing.assert_allclose(batch.images[:6, 0, 0, 0], np.arange(6), rtol=1e-6)
        np.testing.assert_array_equal(batch.labels[:6], 2 * np.arange(6))
        np.testing.assert_array_equal(batch.mask, [True] * 6 + [False] * 2)

    def test_only_training_augments(self):
        data = resident(20, augmentation=Augmentation(pad=1))
        picks = data.train_picks(0, 0, 20)
        plain = data.eval_batch(data.arrays, picks)
        augmented = data.train_batch(data.arrays, picks, jax.random.key(0))
        np.testing.assert_allclose(plain.images[:, 0, 0, 0], picks.indices, rtol=1e-6)
        shifted = np.asarray(augmented.images != plain.images).ravel()
        assert shifted.any()
        np.testing.assert_array_equal(np.asarray(augmented.images).ravel()[shifted], 0)
        np.testing.assert_array_equal(augmented.labels, plain.labels)

    def test_images_have_the_dtype_asked_for(self):
        data = resident(4, dtype=np.float16)
        batch = data.eval_batch(data.arrays, data.train_picks(0, 0, 4))
        assert batch.images.dtype == np.float16


class TestViews:
    @pytest.mark.parametrize("kind", ["mirrored", "mirrored_shifted"])
    def test_they_are_those_of_a_picture(self, kind):
        images = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3), np.uint8)
        labels = np.arange(4, dtype=np.int32)
        data = ResidentData(ImageSet(images, labels), mean=(0.0,), std=(1 / 255,), views=kind)
        batch = data.eval_batch(data.arrays, next(data.eval_picks(4)))
        of_pictures = views(6, crop_ratio=1.0, kind=kind)
        expected = np.stack([of_pictures(image) for image in images])
        np.testing.assert_allclose(batch.images, expected, rtol=1e-6)

    def test_training_sees_the_image_alone(self):
        data = arrows(3, views="mirrored")
        batch = data.train_batch(data.arrays, data.train_picks(0, 0, 3), jax.random.key(0))
        assert batch.images.shape == (3, 1, 2, 1)

    def test_corners_are_for_photographs(self):
        with pytest.raises(
            UserError, match=r"eval_views=ten .* centre, mirrored, mirrored_shifted"
        ):
            resident(3, views="ten")


def arrows(examples, **options):
    """Images of two pixels, [0, n] for example n > 0: their mirror images begin with n."""
    images = np.zeros((examples, 1, 2, 1), np.uint8)
    images[:, 0, 1, 0] = 1 + np.arange(examples)
    image_set = ImageSet(images, np.arange(examples, dtype=np.int32))
    augmentation = Augmentation(flip="alternating")
    return ResidentData(
        image_set, mean=(0.0,), std=(1 / 255,), augmentation=augmentation, **options
    )


def mirrored_at(data, seed, steps, batch_size):
    """Example and whether it came mirrored, of every row of these steps."""
    found = []
    for step in steps:
        picks = data.train_picks(seed, step, batch_size)
        batch = data.train_batch(data.arrays, picks, jax.random.key(step))
        sides = np.asarray(batch.images)[:, 0, :, 0] > 0
        assert (sides.sum(axis=1) == 1).all()
        found += zip(picks.indices.tolist(), sides[:, 0].tolist(), strict=True)
    return found


class TestAlternatingFlips:
    @pytest.mark.parametrize("repeats", [1, 2, 3])
    @pytest.mark.parametrize("batch_size", [6, 24])
    def test_each_image_is_mirrored_every_second_time(self, batch_size, repeats):
        """Wherever epochs begin: batches of 6 span two of them, those of 24 three."""
        sides = {}
        rows = mirrored_at(arrows(10, repeats=repeats), 3, range(120 // batch_size), batch_size)
        for example, mirrored in rows:
            sides.setdefault(example, []).append(mirrored)
        assert {len(times) for times in sides.values()} == {12}
        for times in sides.values():
            assert times in ([True, False] * 6, [False, True] * 6)

    def test_the_seed_draws_which_half_begins_mirrored(self):
        first = [
            np.array(sorted(mirrored_at(arrows(200), seed, [0], 200)))[:, 1] for seed in (0, 1, 2)
        ]
        assert all(70 < begins.sum() < 130 for begins in first)
        agree = [(first[one] == first[other]).mean() for one, other in ((0, 1), (0, 2), (1, 2))]
        assert all(0.35 < share < 0.65 for share in agree)

    def test_a_run_that_goes_on_anywhere_sees_the_same_sides(self):
        whole = mirrored_at(arrows(10), 3, range(8), 7)
        again = mirrored_at(arrows(10), 3, range(5, 8), 7)
        assert again == whole[5 * 7 :]

    def test_the_draws_are_not_those_of_an_order(self):
        """Else the images of a permutation's first half would begin mirrored, say."""
        first = np.array(sorted(mirrored_at(arrows(200), 0, [0], 200)))[:, 1]
        for epoch in range(3):
            places = np.argsort(stream(0, 200 * epoch, 200, 200))
            assert abs(np.corrcoef(first, places)[0, 1]) < 0.25


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("augmentation", [None, Augmentation(flip="alternating")])
def test_the_shards_of_all_processes_are_the_batch_of_one(count, augmentation):
    whole = resident(17, augmentation=augmentation)
    shards = [
        resident(17, shard=(index, count), augmentation=augmentation) for index in range(count)
    ]
    for step in range(5):
        expected = whole.train_picks(3, step, 12)
        found = [shard.train_picks(3, step, 12) for shard in shards]
        assert all(len(picks.indices) == 12 // count for picks in found)
        jax.tree.map(
            lambda one, *others: np.testing.assert_array_equal(one, np.concatenate(others)),
            expected,
            *found,
        )
    expected = list(whole.eval_picks(7, 12))
    found = list(zip(*(shard.eval_picks(7, 12) for shard in shards), strict=True))
    assert len(expected) == len(found) > 1
    for one, others in zip(expected, found, strict=True):
        jax.tree.map(
            lambda one, *others: np.testing.assert_array_equal(one, np.concatenate(others)),
            one,
            *others,
        )
