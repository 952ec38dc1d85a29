"""SIGTERM, SIGINT and SIGHUP at any moment, from before the first step to the page of the run."""

import json
import signal
import time
from collections import Counter

import pytest
from campaigns.runs import amount, assert_equal, drawn, finish, said, start

# The status where a signal ends the process at once: before the first step, and after the last.
AT_ONCE = {signal.SIGTERM: -signal.SIGTERM, signal.SIGHUP: -signal.SIGHUP, signal.SIGINT: 130}
# Seconds from the start of Python to the end of the page.
LONGEST = 12.0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_at_any_moment_loses_nothing(tmp_path, uninterrupted, number):
    draw, outcomes, runs = drawn(), Counter(), 0
    signals, wanted = 0, amount(20, 2)
    while signals < wanted:
        workdir, finished = tmp_path / f"run{runs}", False
        while signals < wanted and not finished:
            process = start(workdir, "report.page=True")
            # Python itself takes a moment until it answers.
            time.sleep(draw.uniform(0.15, LONGEST))
            came = process.poll() is None
            process.send_signal(number)
            status = process.wait(timeout=300)
            output, errors = said(workdir)
            assert "Traceback" not in errors and "Exception" not in errors, errors
            signals += came
            if status == 0:
                result = json.loads(output.splitlines()[-1])
                finished = "stopped" not in result
                assert finished or result["stopped"] == number.name
                outcomes["finished" if finished else "saved"] += came
            else:
                assert status == AT_ONCE[number]
                outcomes["at once"] += 1
        finish(workdir)
        assert_equal(workdir, uninterrupted)
        runs += 1
    print(f"{signals} {number.name} ({dict(outcomes)}): {runs} runs, all equal")


@pytest.mark.slow
def test_a_second_ctrl_c_is_a_sentence(tmp_path):
    """Where a person does not wait for the first one."""
    process = start(tmp_path / "run")
    while "step 1/" not in said(tmp_path / "run")[0]:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    status = process.wait(timeout=120)
    output, errors = said(tmp_path / "run")
    assert "Traceback" not in errors
    if status == 130:
        assert errors.splitlines()[-1] == "interrupted: what was saved before is kept"
    else:
        assert json.loads(output.splitlines()[-1])["stopped"] == "SIGINT"
