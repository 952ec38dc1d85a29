"""Repeated augmentation: each example several times in a row."""

import numpy as np
import pytest

from resnet_jax.data.order import repeated, stream


@pytest.mark.parametrize("repeats", [1, 3, 4])
@pytest.mark.parametrize("start", [0, 5, 26])
def test_each_example_comes_so_many_times_in_a_row(repeats, start):
    """From any place of the sequence, over the end of an epoch of ten."""
    whole = np.repeat(stream(7, 0, 60, examples=10), repeats)
    found = repeated(7, start, 23, examples=10, repeats=repeats)
    np.testing.assert_array_equal(found, whole[start : start + 23])
    assert found.dtype == np.int32
