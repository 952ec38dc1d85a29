from pathlib import Path

import numpy as np
import pytest
from golden.write_policies import SIZE, STRENGTHS, TURNS, picture

from resnet_jax.data.changes import policies
from resnet_jax.tables import UserError

GOLDEN = dict(np.load(Path(__file__).parents[2] / "golden" / "policies.npz"))
ADVICE = "not what torchvision does any more: published recipes were trained with that"
SPACES = {"auto": policies.AUTO, "rand": policies.RAND, "wide": policies.WIDE}


@pytest.mark.parametrize("operation", STRENGTHS)
def test_operation_gives_the_pixels_of_torchvision(operation):
    changed = policies.OPERATIONS[operation](picture(), STRENGTHS[operation])
    np.testing.assert_array_equal(np.asarray(changed), GOLDEN[f"pixels_{operation}"], ADVICE)


def test_hue_gives_the_pixels_of_torchvision():
    changed = policies.shifted_hue(picture(), TURNS)
    np.testing.assert_array_equal(np.asarray(changed), GOLDEN["pixels_hue"], ADVICE)


@pytest.mark.parametrize("key", [key for key in GOLDEN if key.split("_")[0] in SPACES])
def test_strengths_and_signs_are_those_of_torchvision(key):
    space, operation, sign = key.split("_")
    expected = GOLDEN[key]
    found = [SPACES[space].at(level, operation, SIZE) for level in range(len(expected))]
    np.testing.assert_allclose(found, expected, atol=1e-4, err_msg=ADVICE)
    assert (operation in policies.SIGNED) == (sign == "signed")


def test_policies_are_those_of_torchvision():
    rows = [f"{name} {probability} {level}" for pair in policies.IMAGENET_POLICIES
            for name, probability, level in pair]  # fmt: skip
    assert rows == GOLDEN["policies"].tolist(), ADVICE


@pytest.mark.parametrize(
    "space, choice", [("rand", policies.CANDIDATES), ("wide", policies.CANDIDATES)]
)
def test_choice_is_that_of_torchvision(space, choice):
    assert set(choice) == {key.split("_")[1] for key in GOLDEN if key.startswith(f"{space}_")}


@pytest.mark.parametrize("name", [name for name in policies.POLICIES if name != "none"])
def test_policy_is_a_function_of_its_random_numbers(name):
    policy = policies.POLICIES[name]()
    images = [np.asarray(policy(np.random.default_rng(seed), picture())) for seed in range(20)]
    again = [np.asarray(policy(np.random.default_rng(seed), picture())) for seed in range(20)]
    np.testing.assert_array_equal(images, again)
    assert all(image.shape == (*SIZE[::-1], 3) for image in images)
    assert len({image.tobytes() for image in images}) > 2


def test_jitter_stays_within_its_bounds():
    image, plain = picture(), np.asarray(picture()).astype(int)
    draws = [np.random.default_rng(seed) for seed in range(40)]
    jitter = policies.Jitter(0.2, 0.0, 0.0, 0.0)
    factors = [np.asarray(jitter(draw, image)).sum() / plain.sum() for draw in draws]
    assert 0.78 < min(factors) < 0.85 and 1.15 < max(factors) < 1.22
    same = policies.Jitter(0.0, 0.0, 0.0, 0.0)(draws[0], image)
    np.testing.assert_array_equal(np.asarray(same), plain)


def test_three_changes_come_as_often():
    kinds = []
    for seed in range(300):
        image = np.asarray(policies.ThreeAugment()(np.random.default_rng(seed), picture()))
        grey = (image == image[..., :1]).all()
        solarised = (image == np.where(np.asarray(picture()) < 128, picture(),
                                       255 - np.asarray(picture()))).all()  # fmt: skip
        kinds.append("grey" if grey else "solarised" if solarised else "blurred")
    counts = [kinds.count(kind) for kind in ("grey", "solarised", "blurred")]
    assert min(counts) > 70, counts


def test_strength_of_another_policy_is_refused():
    with pytest.raises(UserError, match=r"takes no magnitude.*rand_augment"):
        policies.POLICIES.choose({"name": "auto_augment", "magnitude": 3})
