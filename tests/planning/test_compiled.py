"""What is read from compiled functions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from resnet_jax.planning import compilers, hlo, slices
from resnet_jax.planning.compiled import Collective, collectives, figures
from resnet_jax.tables import UserError

# Lines as XLA prints them for TPUs and GPUs: layouts hold parentheses, long tuples hold comments,
# and the start of a collective has its operands before its results, or its results alone.
HLO = """
%sums {
  %z = f32[8]{0} parameter(0)
  %all-reduce.7 = f32[8]{0} all-reduce(%z), to_apply=%add
}

%body {
  %all-to-all.8 = f32[16]{0} all-to-all(%z)
}

ENTRY %main {
  %all-reduce.1 = f32[64]{0:T(128)S(1)} all-reduce(%x), channel_id=1
  %all-reduce.2 = (bf16[1,1,64,64]{3,2,1,0:T(8,128)(2,1)}, /*index=1*/f32[]{:T(128)}) all-reduce(%a)
  %all-gather-start = (f32[2,8]{1,0}, f32[8,8]{1,0}) all-gather-start(%y), dimensions={0}
  %all-gather-done = f32[8,8]{1,0} all-gather-done(%all-gather-start)
  %all-reduce-start.3 = (f32[4]{0}, f32[5]{0}) all-reduce-start(%b, %c), to_apply=%add
  %get-tuple-element.4 = f32[4]{0} get-tuple-element(%all-reduce-start.3), index=0
  %all-reduce-start.5 = ((bf16[6]{0}), bf16[6]{0}) all-reduce-start(%d), to_apply=%add
  %fusion.6 = f32[8]{0} fusion(%e), kind=kCustom, calls=%sums
  %while.7 = f32[8]{0} while(%e), body=%body, backend_config={"known_trip_count":{"n":"2"}}
}
"""


def test_collectives_of_a_program():
    assert collectives(hlo.parse(HLO)) == [
        Collective("all-reduce", 1, 64 * 4),
        Collective("all-reduce", 2, 64 * 64 * 2 + 4),
        Collective("all-gather", 1, 64 * 4),
        Collective("all-reduce", 2, 9 * 4),
        Collective("all-reduce", 1, 6 * 2),
        Collective("all-reduce", 1, 8 * 4),
        Collective("all-to-all", 1, 16 * 4),
        Collective("all-to-all", 1, 16 * 4),
    ]


def test_figures_of_a_product():
    x, y = jnp.ones((8, 16)), jnp.ones((16, 4))
    found = figures(jax.jit(jnp.dot).lower(x, y).compile())
    assert found.flops == 2 * 8 * 16 * 4
    assert found.bytes == 4 * (8 * 16 + 16 * 4 + 8 * 4)
    assert found.arguments == 4 * (8 * 16 + 16 * 4)
    assert found.collectives == ()


@pytest.mark.slow
def test_a_mean_over_chips_is_one_reduction():
    pytest.importorskip("libtpu", reason="pip install -r requirements-tpu.txt")
    mesh = Mesh(
        np.array(compilers.devices(slices.parse("v5e:2x2"))), ("data",), axis_types=(AxisType.Auto,)
    )
    shared, everywhere = (
        NamedSharding(mesh, spec) for spec in (PartitionSpec("data"), PartitionSpec())
    )
    x = jax.ShapeDtypeStruct((8, 128), jnp.float32, sharding=shared)
    mean = jax.jit(lambda x: x.mean(0), out_shardings=everywhere)
    found = figures(compilers.compile_absent(mean.lower(x)))
    assert found.collectives == (Collective("all-reduce", 1, 512),)


@pytest.mark.slow
def test_a_slice_that_the_compiler_does_not_know():
    pytest.importorskip("libtpu", reason="pip install -r requirements-tpu.txt")
    with pytest.raises(UserError, match="can't compile for 'v4:3x5x7'"):
        compilers.devices(slices.parse("v4:3x5x7"))
