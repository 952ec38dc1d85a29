"""What the CUDA compiler makes of a training step, for cards that are not there."""

import jax
import pytest

from configs import imagenet, smoke
from resnet_jax.assembly import Assembly
from resnet_jax.planning import compilers, hardware
from resnet_jax.planning.step import Step

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        compilers.version(hardware.parse("h100:1")) is None,
        reason="needs the CUDA compiler: pip install -r requirements-cuda-compiler.txt",
    ),
]


@pytest.fixture
def no_cache(monkeypatch, tmp_path, optimised):
    """Steps are compiled as a user's are, and anew."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_resnet50_moves_less_than_the_plain_step_and_nothing_costly(no_cache):
    """The plain step moves 101.8 GB, as counted here (experiments/throughput)."""
    config = imagenet.get_config("dtype=bfloat16")
    program = Step(config, examples=1_281_167).compiled(hardware.parse("h100:1"), 256)
    assert program.costly == ()
    assert {kernel.reads for kernel in program.kernels if "cudnn" in kernel.name} == {"bf16"}
    assert program.temporaries <= 10.5e9
    assert program.bytes <= 0.9 * 101.8e9


def test_cards_sum_gradients(no_cache):
    config = smoke.get_config("stage_depths=(1,),widths=(8,),stem_width=8,data.image_size=8")
    step = Step(config, examples=100)
    alone, together = (step.compiled(hardware.parse(text), 8) for text in ("a100:1", "a100:16"))
    assert alone.collectives == () and together.others == 0
    parameters = jax.tree.leaves(Assembly(config, examples=100).abstract_state.params)
    assert together.summed >= 4 * sum(each.size for each in parameters)
    # Each card runs the same convolutions on its images as one card alone.
    assert together.flops == alone.flops > 0
