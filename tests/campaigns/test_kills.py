"""kill -9 at random moments, half of them inside a save: no run differs from an unstopped one."""

import signal

import pytest
from campaigns.runs import (
    STEPS,
    amount,
    assert_equal,
    drawn,
    finish,
    is_saving,
    lines,
    said,
    start,
    wait_for_a_save,
    wait_for_lines,
)


@pytest.mark.slow
def test_killed_runs_equal_the_unstopped_one(tmp_path, uninterrupted):
    """As vllm-project/speculators pull request 739 tells of checkpoints that a kill cuts off."""
    draw, wanted = drawn(), amount(100, 6)
    kills = inside = runs = 0
    while kills < wanted:
        workdir = tmp_path / f"run{runs}"
        while kills < wanted and len(lines(workdir)) < STEPS:
            process = start(workdir)
            wait_for_lines(workdir, draw.randrange(1, 30), process)
            if inside < (kills + 1) / 2:
                wait_for_a_save(workdir, process)
            process.kill()
            process.communicate()
            if process.returncode == -signal.SIGKILL:
                kills += 1
                inside += is_saving(workdir)
            assert "Traceback" not in said(workdir)[1]
        finish(workdir)
        assert_equal(workdir, uninterrupted)
        runs += 1
    print(f"{kills} kills, {inside} of them inside a save: {runs} runs, all equal")
    assert inside >= kills / 4
