import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.data.changes.augment import (
    Augmentation,
    normalise,
    random_crop,
    random_cutout,
    random_erasing,
    random_flip,
    random_inner_cutout,
    random_reflected_crop,
)

erase = jax.jit(random_erasing, static_argnums=(3, 4))


def augmented(augment: Augmentation, key: jax.Array, images: np.ndarray) -> np.ndarray:
    call = jax.jit(lambda key, images: augment(key, images))
    return np.asarray(call(key, images))


@pytest.fixture
def images():
    """Ten images, of which no pixel is zero and no image is another's shift or mirror."""
    return np.random.default_rng(0).uniform(1, 2, (10, 6, 5, 3)).astype(np.float32)


def keys(count):
    return jax.random.split(jax.random.key(0), count)


@pytest.mark.parametrize("change", [random_crop, random_reflected_crop])
def test_crop_is_a_shift_of_the_padded_image_and_every_shift_occurs(images, change):
    pad, side = 1, 3
    padded = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    if change is random_reflected_crop:  # the row before the first one is the second one
        padded[:, [0, -1]] = padded[:, [2, -3]]
        padded[:, :, [0, -1]] = padded[:, :, [2, -3]]
    shifts = [(down, right) for down in range(side) for right in range(side)]
    candidates = np.stack([padded[:, d : d + 6, r : r + 5] for d, r in shifts])

    crops = jax.vmap(lambda key: change(key, images, pad))(keys(60))

    equal = (np.asarray(crops)[:, None] == candidates[None]).all((3, 4, 5))
    np.testing.assert_array_equal(equal.sum(1), 1)  # each crop is one of the shifts
    times = equal.sum((0, 2))  # of 600 crops, about 67 each
    assert times.min() > 35 and times.max() < 110


def test_flip_mirrors_about_half_of_the_images(images):
    flipped = np.asarray(jax.vmap(lambda key: random_flip(key, images))(keys(60)))

    mirrored = (flipped == images[None, :, :, ::-1]).all((2, 3, 4))
    same = (flipped == images[None]).all((2, 3, 4))
    assert (mirrored ^ same).all()
    assert 240 < mirrored.sum() < 360


@pytest.mark.parametrize("size", [1, 2, 3])
def test_cutout_erases_a_square_around_a_pixel(images, size):
    height, width = images.shape[1:3]
    squares = set()
    for row in range(height):
        for column in range(width):
            square = np.zeros((height, width), bool)
            top, left = row - size // 2, column - size // 2
            square[max(0, top) : top + size, max(0, left) : left + size] = True
            squares.add(square.tobytes())

    cut = np.asarray(jax.vmap(lambda key: random_cutout(key, images, size))(keys(60)))

    erased = (cut == 0).all(-1)
    np.testing.assert_array_equal(cut, np.where(erased[..., None], 0, images[None]))
    drawn = {square.tobytes() for square in erased.reshape(-1, height, width)}
    assert drawn == squares  # every one, those clipped at an edge too, and no other


@pytest.mark.parametrize("size", [1, 2, 5])
def test_inner_cutout_erases_a_whole_square_at_every_place_equally_often(images, size):
    height, width = images.shape[1:3]
    cut = np.asarray(jax.vmap(lambda key: random_inner_cutout(key, images, size))(keys(200)))

    erased = (cut == 0).all(-1)
    np.testing.assert_array_equal(cut, np.where(erased[..., None], 0, images[None]))
    np.testing.assert_array_equal(erased.sum((2, 3)), size**2)
    assert (sides(erased.reshape(-1, height, width)) == size).all()
    places = (height - size + 1) * (width - size + 1)
    squares, times = np.unique(erased.reshape(-1, height * width), axis=0, return_counts=True)
    assert len(squares) == places
    assert np.abs(times - 2_000 / places).max() < 5 * np.sqrt(2_000 / places)


def sides(erased) -> np.ndarray:
    """Height and width of each rectangle, which must be one."""
    rows, columns = erased.any(axis=2), erased.any(axis=1)
    np.testing.assert_array_equal(erased, rows[:, :, None] & columns[:, None, :])
    for line in (*rows, *columns):
        assert np.count_nonzero(np.diff(line.astype(int), prepend=0, append=0)) <= 2
    return np.stack([rows.sum(axis=1), columns.sum(axis=1)], axis=1)


def test_erasing_happens_as_often_as_it_says():
    images = np.ones((600, 24, 20, 1), np.float32)
    for probability in (0.2, 0.7):
        found = np.asarray(erase(jax.random.key(1), images, probability, (0.1, 0.2), (2.0, 3.0)))
        assert (found == 0).any(axis=(1, 2, 3)).mean() == pytest.approx(probability, abs=0.06)


@pytest.mark.parametrize("aspect", [(2.0, 3.0), (0.25, 0.5)])
def test_an_erased_rectangle_has_the_area_and_the_aspect_that_are_asked(aspect):
    images = np.ones((600, 24, 20, 1), np.float32)
    found = np.asarray(erase(jax.random.key(0), images, 1.0, (0.1, 0.2), aspect))
    height, width = sides(found[..., 0] == 0).T
    # Sides are rounded to pixels, by half a pixel at most.
    share, half = 1 / (24 * 20), 0.5
    assert ((height - half) * (width - half) * share < 0.2).all()
    assert ((height + half) * (width + half) * share > 0.1).all()
    assert ((height + half) / (width - half) > aspect[0]).all()
    assert ((height - half) / (width + half) < aspect[1]).all()
    assert (height * width * share).mean() == pytest.approx(0.15, abs=0.005)
    # Evenly on a logarithmic scale: the mean of the logarithms lies in the middle.
    assert np.log(height / width).mean() == pytest.approx(np.log(aspect).mean(), abs=0.02)


def test_the_bounds_of_erasing_are_those_of_torchvision():
    """torchvision.transforms.RandomErasing: scale=(0.02, 0.33), ratio=(0.3, 3.3)."""
    bounds = inspect.signature(random_erasing).parameters
    assert (bounds["area"].default, bounds["aspect"].default) == ((0.02, 0.33), (0.3, 3.3))


def test_erased_rectangles_lie_everywhere_inside():
    images = np.ones((600, 6, 5, 1), np.float32)
    found = np.asarray(erase(jax.random.key(0), images, 1.0, (0.13, 0.13), (1.0, 1.0)))
    erased = found[..., 0] == 0
    assert (sides(erased) == 2).all()
    # 5 x 4 places of a square of 2x2, 30 each.
    assert len({image.tobytes() for image in erased}) == 20
    corners = erased[:, [0, 0, -1, -1], [0, -1, 0, -1]].mean(axis=0)
    assert corners == pytest.approx(np.full(4, 1 / 20), abs=0.03)


def test_the_first_rectangle_that_fits_is_erased():
    """One of four times as high as wide fits into no square; of other draws the first does."""
    images = np.ones((64, 10, 10, 1), np.float32)
    never = erase(jax.random.key(0), images, 1.0, (0.5, 0.5), (4.0, 4.0))
    assert (never == 1).all()
    found = np.asarray(erase(jax.random.key(0), images, 1.0, (0.5, 0.5), (1.0, 4.0)))
    height, width = sides(found[..., 0] == 0).T
    assert height.max() == 9 and height.min() == 7
    assert abs(width - 50 / height).max() <= 1


def test_erasing_has_random_numbers_of_its_own(images):
    key = jax.random.key(4)
    erased = erase(jax.random.fold_in(key, 3), images, 0.5)
    np.testing.assert_array_equal(augmented(Augmentation(erase=0.5), key, images), erased)
    assert (erased != images).any()


def test_normalise_is_arithmetic():
    images = np.array([0, 51, 255, 102], np.uint8).reshape(1, 1, 2, 2)
    normalised = normalise(images, mean=(0.5, 0.2), std=(0.25, 0.1))
    np.testing.assert_allclose(normalised, [[[[-2, 0], [2, 2]]]], atol=1e-6)
    assert normalised.dtype == jnp.float32


def test_normalise_takes_one_mean_for_all_channels():
    images = np.full((1, 1, 1, 3), 255, np.uint8)
    np.testing.assert_allclose(
        normalise(images, mean=(0.5,), std=(0.25,)), np.full((1, 1, 1, 3), 2)
    )


def test_no_augmentation_is_the_identity(images):
    np.testing.assert_array_equal(Augmentation()(jax.random.key(0), images), images)


def test_augmentation_does_all_that_it_is_asked():
    """Each of the three leaves a mark on a ramp that the others do not."""
    augment = Augmentation(pad=2, flip=True, cutout=2)
    ramp = np.broadcast_to(np.arange(1, 10, dtype=np.float32), (64, 9, 9))
    result = augmented(augment, jax.random.key(0), ramp[..., None])[..., 0]

    falling = np.median(np.diff(result, axis=2), axis=(1, 2)) == -1
    assert 0.2 < falling.mean() < 0.8  # flip
    assert len(np.unique(result.max(axis=1), axis=0)) > 5  # crop
    erased = (result[:, 2:-2, 2:-2] == 0).sum((1, 2))  # where no padding reaches
    assert set(erased) == {0, 1, 2, 4}  # cutout


def test_batch_of_one(images):
    augment = Augmentation(pad=2, flip=True, cutout=2)
    assert augmented(augment, jax.random.key(0), images[:1]).shape == (1, 6, 5, 3)


@pytest.mark.parametrize(
    "augment", [Augmentation(pad=2), Augmentation(flip=True), Augmentation(cutout=2)]
)
def test_each_example_and_each_key_gets_its_own_draw(augment):
    image = np.random.default_rng(0).uniform(1, 2, (1, 6, 6, 1)).astype(np.float32)
    same = np.repeat(image, 32, axis=0)
    first, second = (np.asarray(augment(key, same)) for key in keys(2))
    assert len({example.tobytes() for example in first}) > 1
    assert (first != second).any()
    np.testing.assert_array_equal(first, augment(keys(2)[0], same))
