"""Arithmetic and traffic of programs whose figures are known."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from resnet_jax.planning import hlo
from resnet_jax.planning.kernels import Kernel, kernels


def entry(*lines: str, others: str = "") -> hlo.Module:
    body = "\n".join(f"  {line}" for line in lines)
    return hlo.parse(f"{others}\nENTRY %main (x: f32[]) -> f32[] {{\n{body}\n}}\n")


def compiled(function, *arguments) -> hlo.Module:
    return hlo.parse(jax.jit(function).lower(*arguments).compile().as_text())


def lowered(function, *arguments) -> hlo.Module:
    """Before any optimisation, so that what was written is what is there."""
    return hlo.parse(jax.jit(function).lower(*arguments).compiler_ir("hlo").as_hlo_text())


def total(module: hlo.Module) -> tuple[float, float]:
    found = kernels(module)
    return (
        sum(kernel.count * kernel.flops for kernel in found),
        sum(kernel.count * kernel.bytes for kernel in found),
    )


def test_a_product_as_xla_counts_it():
    x, y = jnp.ones((8, 16)), jnp.ones((16, 4))
    assert total(compiled(jnp.dot, x, y)) == (2 * 8 * 16 * 4, 4 * (8 * 16 + 16 * 4 + 8 * 4))


def test_a_fusion_reads_and_writes_once():
    x, y = jnp.ones((64, 32)), jnp.ones((64, 32), jnp.bfloat16)
    flops, moved = total(compiled(lambda x, y: jnp.exp(x * 2) + y.astype(x.dtype), x, y))
    assert (flops, moved) == (0, 64 * 32 * (4 + 2 + 4))


@pytest.mark.parametrize(("stride", "groups"), [(1, 1), (2, 1), (1, 4)])
def test_a_convolution_and_its_gradients(stride, groups):
    """Each takes 2 x outputs x taps x channels of a group."""
    x, kernel = jnp.ones((2, 8, 8, 16)), jnp.ones((3, 3, 16 // groups, 32))

    def convolve(x, kernel):
        return lax.conv_general_dilated(
            x, kernel, (stride, stride), ((1, 1), (1, 1)), feature_group_count=groups,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )  # fmt: skip

    once = 2 * (2 * (8 // stride) ** 2 * 32) * 9 * 16 // groups
    forward = lowered(convolve, x, kernel)
    assert total(forward)[0] == once
    inputs = lowered(jax.grad(lambda x: convolve(x, kernel).sum()), x)
    # The values are not needed, so only the gradient is left.
    assert total(inputs)[0] == once
    if groups == 1:
        kernels_ = lowered(jax.grad(lambda kernel: convolve(x, kernel).sum()), kernel)
        # Its window is as large as the output: the taps are the outputs, and the other way round.
        assert total(kernels_)[0] == once


CALL = """%y = {result} custom-call(%a, %b), window={{size=3x3 stride=2x2 pad=1_1x1_1}}, \
dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn${target}\""""


@pytest.mark.parametrize(
    ("target", "a", "b", "result", "reads"),
    [
        ("convForward", "bf16[2,8,8,16]", "bf16[32,3,3,16]", "bf16[2,4,4,32]", "bf16"),
        ("convBackwardInput", "bf16[2,4,4,32]", "bf16[32,3,3,16]", "bf16[2,8,8,16]", "bf16"),
        ("convBackwardFilter", "f32[2,8,8,16]", "f32[2,4,4,32]", "f32[32,3,3,16]", "f32"),
    ],
)
def test_cudnn_calls(target, a, b, result, reads):
    (kernel,) = kernels(
        entry(
            f"%a = {a}{{3,2,1,0}} parameter(0)",
            f"%b = {b}{{3,2,1,0}} parameter(1)",
            CALL.format(result=f"({result}{{3,2,1,0}}, u8[4096]{{0}})", target=target),
        )
    )
    size = 2 if reads == "bf16" else 4
    moved = size * (2 * 8 * 8 * 16 + 2 * 4 * 4 * 32 + 3 * 3 * 16 * 32)  # and no scratch memory
    flops = 2 * (2 * 4 * 4 * 32) * 9 * 16
    assert kernel == Kernel(f"__cudnn${target}", reads, reads, result, flops, moved)


def test_a_cublas_call():
    module = entry(
        "%a = bf16[8,16]{1,0} parameter(0)",
        "%b = bf16[16,4]{1,0} parameter(1)",
        '%y = (f32[8,4]{1,0}, s8[1024]{0}) custom-call(%a, %b), custom_call_target="__cublas$gemm",'
        ' backend_config={"gemm_backend_config":{"dot_dimension_numbers":'
        '{"lhs_contracting_dimensions":["1"],"rhs_contracting_dimensions":["0"]}}}',
    )
    assert total(module) == (2 * 8 * 16 * 4, 2 * (8 * 16 + 16 * 4) + 4 * 8 * 4)


FUSED = """
%update (p: f32[100,8], q: f32[1,8], i: s32[]) -> f32[100,8] {
  %p = f32[100,8]{1,0} parameter(0)
  %q = f32[1,8]{1,0} parameter(1)
  %i = s32[] parameter(2)
  ROOT %new = f32[100,8]{1,0} dynamic-update-slice(%p, %q, %i, %i)
}

%row (p: f32[100,8], i: s32[]) -> f32[8] {
  %p = f32[100,8]{1,0} parameter(0)
  %i = s32[] parameter(1)
  %one = f32[1,8]{1,0} dynamic-slice(%p, %i, %i), dynamic_slice_sizes={1,8}
  ROOT %flat = f32[8]{0} bitcast(%one)
}
"""


@pytest.mark.parametrize(
    ("call", "moved"),
    [
        ("%y = f32[8]{0} fusion(%p, %i), kind=kLoop, calls=%row", 4 * (8 + 8 + 1)),
        ("%y = f32[100,8]{1,0} fusion(%p, %q, %i), kind=kLoop, calls=%update", 4 * (2 * 8 + 8 + 1)),
    ],
)
def test_parts_of_an_array_are_read_and_replaced(call, moved):
    module = entry(
        "%p = f32[100,8]{1,0} parameter(0)",
        "%q = f32[1,8]{1,0} parameter(1)",
        "%i = s32[] parameter(2)",
        call,
        others=FUSED,
    )
    assert total(module) == (0, moved)


def test_a_loop_counts_as_often_as_it_runs():
    x, weights = jnp.ones((4, 4)), jnp.ones((5, 4, 4))
    looped = compiled(
        lambda x, w: lax.scan(lambda x, w: (jnp.dot(x, w), None), x, w)[0], x, weights
    )
    assert total(looped)[0] == 5 * 2 * 4**3
    products = [kernel for kernel in kernels(looped) if kernel.flops]
    assert [kernel.count for kernel in products] == [5]


CALLED = """
%half (p: f32[100,8]) -> f32[50,8] {
  %p = f32[100,8]{1,0} parameter(0)
  ROOT %part = f32[50,8]{1,0} slice(%p), slice={[0:50], [0:8]}
}
"""


@pytest.mark.parametrize(
    "call",
    ["call(%p), to_apply=%half", "async-start(%p), calls=%half", "conditional(%i, %p, %p), "
     "true_computation=%half, false_computation=%nothing"],
)  # fmt: skip
def test_what_is_called_counts(call):
    nothing = "%nothing (q: f32[]) -> f32[] {\n  ROOT %q = f32[] parameter(0)\n}\n"
    module = entry(
        "%p = f32[100,8]{1,0} parameter(0)", f"%y = f32[50,8]{{1,0}} {call}",
        others=CALLED + nothing,
    )  # fmt: skip
    assert total(module) == (0, 2 * 4 * 50 * 8)
