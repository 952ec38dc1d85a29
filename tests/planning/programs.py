"""Compiled steps made up for the tests."""

from resnet_jax.planning.compiled import Collective
from resnet_jax.planning.kernels import Kernel
from resnet_jax.planning.scaling import CompiledStep

PROGRAM = CompiledStep(
    on="v5e:2x2", images=100, flops=197e9, bytes=819e6 + 200e6, temporaries=1_100_000_000,
    state=100_000_000, batch=60_000_000,
    collectives=(Collective("all-reduce", 2, 50_000_000),) * 2 + (Collective("all-reduce", 1, 0),),
)  # fmt: skip
CONVOLUTION = Kernel(
    "__cudnn$convForward", "bf16", "bf16", "bf16[100,8,8,64]", flops=989e9, bytes=33.5e6, count=2
)
ELEMENTWISE = Kernel("elementwise", "", "bf16", "bf16[100,8,8,64]", flops=0, bytes=67e6, count=10)
ON_CARDS = CompiledStep(
    on="h100:8", images=100, flops=2 * 989e9, bytes=67e6 + 670e6, temporaries=1_100_000_000,
    state=100_000_000, batch=60_000_000, collectives=PROGRAM.collectives,
    kernels=(CONVOLUTION, ELEMENTWISE),
)  # fmt: skip
