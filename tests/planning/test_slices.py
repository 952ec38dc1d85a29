"""TPU slices by their names."""

import pytest

from resnet_jax.planning import slices
from resnet_jax.tables import UserError


@pytest.mark.parametrize(
    ("text", "chips", "torus", "hops"),
    [
        ("v5e:4x4", 16, False, 6),
        ("v5e:16x16", 256, True, 16),
        ("v4:2x2x4", 16, False, 5),
        ("v4:4x4x8", 128, True, 8),
        ("v6e:1x1", 1, True, 0),
    ],
)
def test_slices(text, chips, torus, hops):
    found = slices.parse(text)
    assert (str(found), found.chips, found.is_torus, found.hops) == (text, chips, torus, hops)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v5e:4x4x4", "is no TPU slice: write its generation and shape, as v5e:4x4"),
        ("v4:4x4", "as v4:2x2x1"),
        ("v5:4x4", "unknown TPU generation 'v5'"),
        ("v5e", "is no TPU slice"),
        ("v5e:0x4", "is no TPU slice"),
    ],
)
def test_what_is_no_slice(text, message):
    with pytest.raises(UserError, match=message):
        slices.parse(text)
