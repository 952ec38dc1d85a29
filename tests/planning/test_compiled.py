"""What is read from compiled functions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from resnet_jax.planning.compiled import Collective, collectives, figures, tpu_devices
from resnet_jax.tables import UserError

# Lines as XLA prints them for a TPU: layouts hold parentheses, long tuples hold comments.
HLO = """
ENTRY %main {
  %all-reduce.1 = f32[64]{0:T(128)S(1)} all-reduce(%x), channel_id=1
  %all-reduce.2 = (bf16[1,1,64,64]{3,2,1,0:T(8,128)(2,1)}, /*index=1*/f32[]{:T(128)}) all-reduce(%a)
  %all-gather-start = (f32[2,8]{1,0}, f32[8,8]{1,0}) all-gather-start(%y), dimensions={0}
  %all-gather-done = f32[8,8]{1,0} all-gather-done(%all-gather-start)
  %all-reduce-start.3 = (f32[4]{0}, f32[5]{0}) all-reduce-start(%b, %c), to_apply=%add
  %get-tuple-element.4 = f32[4]{0} get-tuple-element(%all-reduce-start.3), index=0
}
"""


def test_collectives_of_a_program():
    assert collectives(HLO) == [
        Collective("all-reduce", 1, 64 * 4),
        Collective("all-reduce", 2, 64 * 64 * 2 + 4),
        Collective("all-gather", 1, 64 * 4),
        Collective("all-reduce", 2, 9 * 4),
    ]


def test_figures_of_a_product():
    x, y = jnp.ones((8, 16)), jnp.ones((16, 4))
    found = figures(jax.jit(jnp.dot).lower(x, y).compile())
    assert found.flops == 2 * 8 * 16 * 4
    assert found.bytes == 4 * (8 * 16 + 16 * 4 + 8 * 4)
    assert found.arguments == 4 * (8 * 16 + 16 * 4)
    assert found.collectives == ()


def test_a_slice_that_the_compiler_does_not_know():
    with pytest.raises(UserError, match=r"jax\[tpu\]|no slice 'v0:3x3'"):
        tpu_devices("v0:3x3")


@pytest.mark.slow
def test_a_mean_over_chips_is_one_reduction():
    pytest.importorskip("libtpu", reason="pip install 'jax[tpu]'")
    mesh = Mesh(np.array(tpu_devices("v5e:2x2")), ("data",), axis_types=(AxisType.Auto,))
    shared, everywhere = (
        NamedSharding(mesh, spec) for spec in (PartitionSpec("data"), PartitionSpec())
    )
    x = jax.ShapeDtypeStruct((8, 128), jnp.float32, sharding=shared)
    mean = jax.jit(lambda x: x.mean(0), out_shardings=everywhere)
    assert figures(mean.lower(x).compile()).collectives == (Collective("all-reduce", 1, 512),)
