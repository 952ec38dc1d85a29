import math

import pytest

from resnet_jax.data.images.resizing import PIXELS, Resizing, resizing
from resnet_jax.tables import UserError


def test_ffcvs_resnet_50_grows_from_160_to_192_in_the_middle_of_its_ramp():
    """rn50_88_epochs.yaml: 88 epochs, from epoch 65 to 76; a size there is a multiple of 32."""
    size = resizing(160, 192, (65 / 88, 76 / 88), 8_800)
    assert (size.start, size.end) == (6_500, 7_600)
    assert [size(step) for step in (0, 6_500, 7_049, 7_050, 8_799)] == [160, 160, 160, 192, 192]
    assert size.changes() == [7_050]


@pytest.mark.parametrize(("first", "last"), [(64, 224), (100, 150), (128, 160), (192, 192)])
def test_sizes_rise_in_few_steps_from_the_first_to_the_last(first, last):
    size = Resizing(first, last, start=20, end=90)
    sizes = [size(step) for step in range(100)]
    assert sizes == sorted(sizes) and (sizes[20], sizes[90]) == (first, last)
    assert len(set(sizes)) <= 1 + math.ceil((last - first) / PIXELS)
    for step in range(20, 91):
        straight = first + (last - first) * (step - 20) / 70
        assert abs(size(step) - straight) <= PIXELS / 2
    assert size.changes() == [step for step in range(1, 100) if sizes[step] != sizes[step - 1]]


def test_images_that_do_not_grow_have_one_size():
    size = resizing(None, 224, (0.0, 1.0), 50)
    assert {size(step) for step in range(50)} == {224} and size.changes() == []


def test_a_run_too_short_for_its_ramp_jumps():
    size = resizing(64, 128, (0.4, 0.5), 3)
    assert [size(step) for step in range(3)] == [64, 64, 128]


@pytest.mark.parametrize("growth", [(0.5, 0.5), (0.7, 0.2), (-0.1, 1.0), (0.0, 1.1), (0.5,)])
def test_growth_is_two_rising_fractions(growth):
    with pytest.raises(UserError, match=r"data\.growth=.* two rising fractions"):
        resizing(64, 128, growth, 100)


def test_images_can_not_shrink():
    with pytest.raises(UserError, match=r"data\.first_size=256 is more than the 224"):
        resizing(256, 224, (0.0, 1.0), 100)
