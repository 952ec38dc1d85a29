"""Reading an HLO module."""

import pytest

from resnet_jax.planning import hlo
from resnet_jax.planning.hlo import Shape

TEXT = """HloModule jit_step, is_scheduled=true, entry_computation_layout={(f32[8]{0})->f32[8]{0}}

%add (x: f32[], y: f32[]) -> f32[] {
  %x = f32[] parameter(0)
  %y = f32[] parameter(1)
  ROOT %sum.1 = f32[] add(%x, %y)
}

ENTRY %main.3 (images.1: f32[2,8,8,3]) -> (bf16[2,4,4,64], f32[]) {
  %images.1 = f32[2,8,8,3]{3,2,1,0:T(8,128)(2,1)} parameter(0), metadata={op_name="images (raw)"}
  %limit = f32[] constant({1, 2}), metadata={op_name="c"}
  %conv.1 = (bf16[2,4,4,64]{3,2,1,0}, u8[0]{0}) custom-call(%images.1, %limit), window={size=7x7 \
stride=2x2 pad=3_3x3_3}, dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convForward", \
backend_config={"a":{"b":["x","}"]},"known_trip_count":{"n":"3"}}
  %part = bf16[2,4,4,64]{3,2,1,0} get-tuple-element(%conv.1), index=0
  ROOT %both = (bf16[2,4,4,64]{3,2,1,0}, /*index=1*/f32[]) tuple(%part, %limit)
}
"""


def test_a_module():
    module = hlo.parse(TEXT)
    assert set(module.computations) == {"add", "main.3"} and module.entry.name == "main.3"
    call = module.entry.instructions["conv.1"]
    assert call.opcode == "custom-call" and call.operands == ("images.1", "limit")
    assert call.results == (Shape("bf16", (2, 4, 4, 64)), Shape("u8", (0,)))
    assert call.bytes == 2 * 4 * 4 * 64 * 2
    assert call.attribute("window") == "size=7x7 stride=2x2 pad=3_3x3_3"
    assert call.attribute("dim_labels") == "b01f_o01i->b01f"
    assert call.target == "__cudnn$convForward" and call.attribute("calls") == ""
    assert call.backend_config["a"] == {"b": ["x", "}"]}
    assert module.entry.shapes(call) == [(Shape("f32", (2, 8, 8, 3)),), (Shape("f32", ()),)]
    assert module.entry.outputs == (Shape("bf16", (2, 4, 4, 64)), Shape("f32", ()))
    assert [user.name for user in module.entry.users("limit")] == ["conv.1", "both"]


def test_what_is_no_module():
    with pytest.raises(ValueError, match="no computation is marked ENTRY"):
        hlo.parse("module {}")
