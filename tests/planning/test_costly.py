"""Finding what a GPU is slow at."""

import pytest

from resnet_jax.planning import hlo
from resnet_jax.planning.costly import Costly, costly

TEXT = """
%fused_scatter (p: bf16[4,8]) -> bf16[4,8] {{
  %p = bf16[4,8]{{1,0}} parameter(0)
  ROOT %s = bf16[4,8]{{1,0}} {inside}(%p, %p, %p), metadata={{op_name="jit(step)/max_pool"}}
}}

ENTRY %main (x: bf16[2,8,8,16]) -> bf16[2,8,8,32] {{
  %x = {type}[2,8,8,16]{{3,2,1,0}} parameter(0)
  %k = {type}[32,3,3,16]{{3,2,1,0}} parameter(1)
  %f = bf16[4,8]{{1,0}} fusion(%x), kind=kInput, calls=%fused_scatter
  %t = f32[4]{{0}} {outside}, metadata={{op_name="jit(step)/top5"}}
  %y = (bf16[2,8,8,32]{{3,2,1,0}}, u8[0]{{0}}) custom-call(%x, %k), dim_labels=b01f_o01i->b01f, \
custom_call_target="__cudnn$conv{target}", metadata={{op_name="jit(step)/stem/conv"}}
}}
"""
CLEAN = {"inside": "select", "outside": "copy(%t)", "type": "bf16", "target": "Forward"}


def found(dtype="bfloat16", **changes):
    return costly(hlo.parse(TEXT.format(**CLEAN | changes)), dtype)


def test_a_clean_step():
    assert found() == []


@pytest.mark.parametrize("target", ["Forward", "BackwardInput", "BackwardFilter",
                                    "BiasActivationForward"])  # fmt: skip
def test_a_float32_convolution_in_any_direction(target):
    place = "bf16[2,8,8,32] jit(step)/stem/conv"
    assert found(type="f32", target=target) == [Costly("f32 convolution", place)]
    assert found("float32", type="f32", target=target) == []
    assert found("float32", type="f64", target=target) == [Costly("f64 convolution", place)]


def test_a_scatter_inside_a_fusion():
    assert found(inside="scatter") == [Costly("scatter", "bf16[4,8] jit(step)/max_pool")]
    assert found(inside="select-and-scatter")[0].what == "scatter"


@pytest.mark.parametrize(
    "call", ["sort(%t)", 'custom-call(%t), custom_call_target="__cub$DeviceRadixSort"']
)
def test_a_sort(call):
    assert found(outside=call) == [Costly("sort", "f32[4] jit(step)/top5")]
