"""What the page of a run says of its target."""

from resnet_jax.pages.time_to_target import findings

LINES = [
    {"step": 10, "images_per_second": 64.0, "compile_seconds": 7.0, "eval/top1": 0.5,
     "eval/seconds": 3.0},
    {"step": 20, "images_per_second": 64.0, "eval/top1": 0.75, "eval/seconds": 1.0},
]  # fmt: skip


def test_seconds_and_arithmetic_up_to_the_target():
    found = findings(LINES, 0.7, batch_size=32, flops=100)
    assert found.numbers == {
        "target_top1": 0.7, "evaluations": 2, "reached": True, "step": 20, "top1": 0.75,
        "seconds": 10.0, "seconds_with_compiling": 17.0, "seconds_of_evaluations_before": 3.0,
        # A forward pass, and gradients by inputs and by kernels.
        "flops": 20 * 32 * 3 * 100,
    }  # fmt: skip
    assert "10.0 s of training, 17.0 s with compiling" in found.summary


def test_a_target_that_was_not_reached():
    found = findings(LINES, 0.8, batch_size=32, flops=100)
    assert not found.numbers["reached"] and "seconds" not in found.numbers
    assert found.summary == "No evaluation reached a top-1 of 80.00%: the best is 75.00%"
