"""A compiled step made up for the tests."""

from resnet_jax.planning.scaling import CompiledStep

PROGRAM = CompiledStep(
    slice="v5e:2x2", images=100, flops=197e9, bytes=819e6 + 200e6, temporaries=1_100_000_000,
    state=100_000_000, batch=60_000_000, reductions=3, reduced=100_000_000, others=0,
    others_bytes=0,
)  # fmt: skip
