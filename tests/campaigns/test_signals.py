"""SIGTERM, SIGINT and SIGHUP at any moment, from before the first step to the page of the run."""

import json
import signal
import time
from collections import Counter

import pytest
from campaigns.runs import (
    STEPS,
    amount,
    assert_equal,
    drawn,
    finish,
    said,
    start,
    wait_for_lines,
)
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st

# The status where a signal ends the process at once: before the first step, and after the last.
AT_ONCE = {signal.SIGTERM: -signal.SIGTERM, signal.SIGHUP: -signal.SIGHUP, signal.SIGINT: 130}
# Seconds from the start of Python to the end of the page.
LONGEST = 12.0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_at_any_moment_loses_nothing(tmp_path, uninterrupted, number):
    draw, outcomes, runs = drawn(), Counter(), [tmp_path / "run0"]

    def end() -> None:
        finish(runs[-1])
        assert_equal(runs[-1], uninterrupted)

    @settings(max_examples=amount(36, 2), deadline=None, database=None, phases=[Phase.generate])
    @seed(draw.randrange(2**32))
    @given(moment=st.floats(0.15, LONGEST) | st.integers(1, STEPS // 3))
    def send(moment):
        """After so many seconds, or after so many steps."""
        workdir = runs[-1]
        process = start(workdir, "report.page=True")
        if isinstance(moment, float):
            time.sleep(moment)
        else:
            wait_for_lines(workdir, moment, process)
        came = process.poll() is None
        process.send_signal(number)
        status = process.wait(timeout=300)
        output, errors = said(workdir)
        if "init_import_site" in errors:  # Python's own, before it runs anything
            outcomes["before Python"] += 1
            return
        assert "Traceback" not in errors and "Exception" not in errors, errors
        if status == -signal.SIGINT:  # Python has given up its handlers: the process ends anyway
            assert json.loads(output.splitlines()[-1])["step"] == STEPS
            outcomes["too late"] += 1
            end()
            runs.append(tmp_path / f"run{len(runs)}")
            return
        if status:
            assert status == AT_ONCE[number]
            outcomes["at once"] += 1
            return
        result = json.loads(output.splitlines()[-1])
        assert result.get("stopped", number.name) == number.name
        outcomes["saved" if "stopped" in result else "finished" if came else "too late"] += 1
        if "stopped" not in result:
            end()
            runs.append(tmp_path / f"run{len(runs)}")

    send()
    end()
    assert outcomes.total() - outcomes["too late"] - outcomes["before Python"] >= amount(20, 0)
    print(f"{number.name}: {dict(outcomes)}, {len(runs)} runs, all equal", flush=True)


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
