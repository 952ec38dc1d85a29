"""Calibration, confusion and corruptions against arithmetic and the published definitions."""

import re
from itertools import combinations

import numpy as np
import pytest
from analysis import tiny

from resnet_jax.analysis.studies import generalisation
from resnet_jax.analysis.studies.generalisation import Predictions, confused_pairs
from resnet_jax.data.changes.corruptions import CORRUPTIONS, corrupt
from resnet_jax.data.changes.distortions import zoomed
from resnet_jax.reporting.drawing import as_svg
from resnet_jax.tables import UserError
from resnet_jax.training.details import calibration_error


def test_predictions_by_hand():
    """Classes a, b, c: right with 3/4, taken for b with 3/4, right with 2/4."""
    logits = np.log([[6.0, 1, 1], [1, 6, 1], [1, 1, 2]])
    found = Predictions(logits, np.array([0, 0, 2]))
    np.testing.assert_allclose(found.probability[0], [0.75, 0.125, 0.125])
    np.testing.assert_allclose(found.losses, -np.log([0.75, 0.125, 0.5]))
    assert found.confusion.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    # (0.75 + 0.75 - 1) in one interval, (1 - 0.5) in another, over three examples.
    assert calibration_error(found.reliability) == pytest.approx((0.5 + 0.5) / 3)


def test_pairs_are_counted_both_ways():
    counts = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1]])
    assert confused_pairs(counts, ("a", "b", "c")) == [
        {"classes": ["a", "b"], "count": 2},
        {"classes": ["b", "c"], "count": 1},
    ]


GREY = np.full((8, 32, 32, 3), 128, np.uint8)
SCENE = (
    np.clip(
        128
        + 90 * np.sin(np.arange(32) / 3)[:, None, None] * np.cos(np.arange(32) / 4)[None, :, None]
        + np.array([-30, 0, 30]),
        0,
        255,
    )
    .astype(np.uint8)[None]
    .repeat(4, axis=0)
)


def changed(name, severity, images):
    return corrupt(images, name, severity, seed=0) / 255


@pytest.mark.parametrize("severity", [1, 5])
def test_noise_has_its_published_size(severity):
    grey = 128 / 255
    scale = {1: 0.04, 5: 0.10}[severity]
    assert changed("gaussian_noise", severity, GREY).std() == pytest.approx(scale, rel=0.03)
    photons = {1: 500, 5: 50}[severity]
    shot = changed("shot_noise", severity, GREY)
    assert shot.std() == pytest.approx(np.sqrt(grey / photons), rel=0.03)
    share = {1: 0.01, 5: 0.07}[severity]
    impulse = corrupt(GREY, "impulse_noise", severity, seed=0)
    assert (impulse != 128).mean() == pytest.approx(share, rel=0.1)
    assert set(np.unique(impulse)) == {0, 128, 255}


def test_contrast_and_brightness_by_arithmetic():
    scene = SCENE / 255
    mean = scene.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(
        changed("contrast", 3, SCENE), (scene - mean) * 0.4 + mean, atol=1 / 255
    )
    dull = SCENE[:, :, :16] // 2
    brighter = changed("brightness", 2, dull)
    np.testing.assert_allclose(
        brighter.max(axis=-1), np.minimum(dull.max(axis=-1) / 255 + 0.1, 1), atol=1 / 255
    )
    shares = [x / x.max(axis=-1, keepdims=True) for x in (dull / 255, brighter)]
    np.testing.assert_allclose(*shares, atol=0.03)


def test_glass_copies_as_views_of_one_array_do():
    """make_cifar_c.py exchanges x[h, w] and x[h', w'], which are views: one is copied."""
    expected, draw = np.uint8(SCENE[0] / 255 * 255), np.random.default_rng(5)
    height, width = expected.shape[:2]
    for row in range(height - 1, 1, -1):
        for column in range(width - 1, 1, -1):
            down, right = draw.integers(-1, 1, (2, 1))[:, 0]
            here, there = (row, column), (row + down, column + right)
            expected[here], expected[there] = expected[there], expected[here]
    # A Gaussian of 0.05 pixels changes nothing.
    found = CORRUPTIONS["glass_blur"].function(
        SCENE[:1] / 255, np.random.default_rng(5), *CORRUPTIONS["glass_blur"].constants[0]
    )
    np.testing.assert_array_equal(np.rint(found[0] * 255), expected)
    # Pixels that changed places would all be there still.
    assert (np.sort(expected.reshape(-1, 3), 0) != np.sort(SCENE[0].reshape(-1, 3), 0)).any()


@pytest.mark.parametrize(("severity", "count"), [(1, 7), (2, 12), (3, 16), (4, 21), (5, 26)])
def test_zoom_averages_as_many_enlargements_as_the_published_code(severity, count):
    """np.arange(1, 1.06, 0.01) has seven numbers, and np.arange(1, 1.11, 0.01) twelve."""
    scene = SCENE / 255
    enlarged = [zoomed(scene, factor) for factor in np.arange(1, 2, 0.01)[:count]]
    expected = (scene + sum(enlarged)) / (count + 1)
    np.testing.assert_allclose(changed("zoom_blur", severity, SCENE), expected, atol=1.01 / 255)
    fewer = (scene + sum(enlarged[:-1])) / count
    distance = [np.abs(changed("zoom_blur", severity, SCENE) + 0.5 / 255 - one).mean()
                for one in (expected, fewer)]  # fmt: skip
    assert distance[0] < distance[1]


def test_pixelate_means_boxes():
    small = np.zeros((1, 32, 32, 1), np.uint8)
    small[:, :, 16:] = 200
    found = corrupt(small, "pixelate", 5, seed=0)
    assert len(np.unique(found[0, 0, :, 0])) <= int(32 * 0.65)
    assert found.mean() == pytest.approx(small.mean(), rel=0.05)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_a_pure_function_that_grows_with_severity(name):
    first = corrupt(SCENE, name, 1, seed=0)
    assert first.shape == SCENE.shape and first.dtype == np.uint8
    assert (first == corrupt(SCENE, name, 1, seed=0)).all()
    mild, strong = (
        np.abs(corrupt(SCENE, name, severity, seed=0).astype(float) - SCENE).mean()
        for severity in (1, 5)
    )
    # Elastic images are published with the widest affine map at severity 1, which is all it has.
    assert strong > mild or name == "elastic_transform"
    # The mildest defocus is published with a disk of one pixel; the blur at its edge remains.
    assert mild > 0 or name in ("defocus_blur", "glass_blur")


def test_there_are_the_fifteen_and_no_others():
    assert len(CORRUPTIONS) == 15
    assert all(len(row.constants) == 5 for row in CORRUPTIONS.values())
    with pytest.raises(UserError, match="did you mean 'frost'"):
        corrupt(GREY, "forst", 1, seed=0)
    with pytest.raises(UserError, match="must be 1, 2, 3, 4 or 5"):
        corrupt(GREY, "fog", 0, seed=0)


def test_motion_smears_along_one_side():
    """A point becomes a line that starts at it, its weights half a Gaussian."""
    point = np.zeros((1, 33, 33, 1), np.uint8)
    point[0, 16, 16] = 255
    found = changed("motion_blur", 1, point)[0, :, :, 0]
    weights = np.exp(-(np.arange(13) ** 2) / 2)
    assert found[16, 16] == pytest.approx(weights[0] / weights.sum(), abs=1 / 255)
    assert (found > 0).sum() <= 5 and found[:, 17:].sum() == 0


def test_generalisation(linear, monkeypatch):
    few = ("brightness", "impulse_noise")
    monkeypatch.setattr(
        generalisation, "CORRUPTIONS", {name: generalisation.CORRUPTIONS[name] for name in few}
    )
    found = generalisation.study(linear.subject(seed=3), examples=30, corrupted=12)
    numbers = found.numbers
    for split in ("train", "test"):
        assert numbers[split]["top1"] == pytest.approx(linear.top1(split))
        assert numbers[split]["loss"] == pytest.approx(linear.losses(split).mean(), rel=1e-4)

    images, labels = linear.splits["test"]
    logits, losses = linear.logits(images), linear.losses("test")
    guesses = logits.argmax(axis=1)
    counts = [[int(((labels == i) & (guesses == j)).sum()) for j in range(3)] for i in range(3)]
    assert numbers["confusion"] == counts
    both = {(i, j): counts[i][j] + counts[j][i] for i, j in combinations(range(3), 2)}
    pairs = {tuple(tiny.NAMES[i] for i in pair): count for pair, count in both.items() if count}
    assert {tuple(one["classes"]): one["count"] for one in numbers["most_confused"]} == pairs
    # Only mistakes, those of the highest loss first.
    worst = [index for index in np.argsort(-losses) if guesses[index] != labels[index]][:24]
    assert 0 < len(worst) < 24 and numbers["mistakes"] == len(worst)
    assert [one["index"] for one in numbers["most_wrong"]] == worst
    first = worst[0]
    probability = np.exp(logits[first]).max() / np.exp(logits[first]).sum()
    assert numbers["most_wrong"][0] == {
        "index": first,
        "name": f"test image {first}",
        "label": tiny.NAMES[labels[first]],
        "predicted": tiny.NAMES[guesses[first]],
        "number": guesses[first],
        "probability": pytest.approx(probability, rel=1e-4),
        "loss": pytest.approx(losses[first], rel=1e-4),
    }
    assert found.pictures["worst"][0].lines == (
        f"is {tiny.NAMES[labels[first]]}",
        f"taken for {tiny.NAMES[guesses[first]]}",
        f"with {probability:.0%}",
        f"test image {first}",
    )
    confidence = np.exp(logits).max(axis=1) / np.exp(logits).sum(axis=1)
    places = np.ceil(confidence * 15)
    gaps = [abs(((guesses == labels) - confidence)[places == place].sum()) for place in range(16)]
    assert numbers["calibration_error"] == pytest.approx(sum(gaps) / 30, rel=1e-3)

    pixels = np.round((images[:12] * np.array(tiny.STD) + np.array(tiny.MEAN)) * 255)
    errors = numbers["corruption_errors"]
    assert list(errors) == list(few)
    for name in few:
        for severity, error in enumerate(errors[name], start=1):
            changed = generalisation.corrupt(pixels.astype(np.uint8), name, severity, seed=3)
            normalised = (changed / 255 - np.array(tiny.MEAN)) / np.array(tiny.STD)
            right = relu_logits(linear, normalised).argmax(axis=1) == labels[:12]
            assert error == pytest.approx(1 - right.mean())
    assert len({tuple(values) for values in errors.values()}) > 1
    mean = np.mean([value for values in errors.values() for value in values])
    assert numbers["mean_error_under_corruption"] == pytest.approx(mean)
    assert found.summary == (
        f"top1 {linear.top1('train'):.4f} in training, {linear.top1('test'):.4f} in the test;"
        f" calibration error {numbers['calibration_error']:.4f};"
        f" mean error under corruption {mean:.4f}"
    )
    bars = found.figures["reliability"].axes[0].patches
    for place in range(1, 16):
        inside = places == place
        share = (guesses == labels)[inside].mean() if inside.any() else 0
        assert bars[place - 1].get_height() == pytest.approx(share)
        words = f"{(guesses == labels)[inside].sum()} of {inside.sum()} right"
        assert bars[place - 1].get_gid().endswith(words)
    told = re.findall("<title>(.*?)</title>", as_svg(found.figures["confusion"]))
    assert told == [
        f"{tiny.NAMES[i]}, predicted {tiny.NAMES[j]}: {counts[i][j]} of {sum(counts[i])}"
        for i in range(3) for j in range(3)
    ]  # fmt: skip


def relu_logits(linear: tiny.Linear, images: np.ndarray) -> np.ndarray:
    """The logits where pixels may be negative: the stem's activation takes those away."""
    return linear.logits(np.maximum(images, 0))


def test_generalisation_without_corruptions(linear):
    found = generalisation.study(linear.subject(), examples=30, corrupted=0)
    assert "mean_error_under_corruption" not in found.numbers
    assert set(found.figures) == {"confusion", "reliability"}
