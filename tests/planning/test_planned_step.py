"""The step that a plan is made of, and what is written of the plan."""

import dataclasses
import json

import jax
import pytest
from planning.programs import ON_CARDS, PROGRAM

from configs import smoke
from resnet_jax.assembly import Assembly
from resnet_jax.planning import compilers, hardware, results, slices
from resnet_jax.planning import step as planned
from resnet_jax.planning.compilers import NoCompiler
from resnet_jax.planning.costly import Costly
from resnet_jax.planning.scaling import CompiledStep, predict
from resnet_jax.planning.step import Step, batch_sizes
from resnet_jax.tables import UserError


def tiny():
    return smoke.get_config(
        "stage_depths=(1,),widths=(8,),stem_width=8,data.image_size=8,train.steps=None,"
        "train.epochs=2.0,schedule.warmup_epochs=1.0"
    )


def test_the_table_and_the_figure(tmp_path):
    """The training set is counted, not read: there is no set of so many images here."""
    step = Step(tiny(), examples=3_600_000)
    on = slices.parse("v5e:2x2")
    rows = [predict(PROGRAM, on, 400)]
    assert step.hours(rows[0]) == pytest.approx(2 * 3_600_000 / 400 * rows[0].step_time / 3600)
    table = results.table(rows, step.hours)
    head, _, line = table.splitlines()
    assert len(head.split("|")) == len(line.split("|"))
    assert "| v5e:2x2 | 400 | 100 | 1.3 | 16.0 |" in line and line.endswith("compiled |")
    result = {"rows": [row.as_dict() for row in rows]}
    results.write(tmp_path, table, result, {"v5e": PROGRAM}, [on])
    assert {path.name for path in tmp_path.iterdir()} == {
        "plan.md", "plan.json", "plan.svg", "plan.png"
    }  # fmt: skip


def test_what_a_gpu_runs_is_told_by_kernel_and_type(tmp_path):
    found = Costly("scatter", "bf16[4] jit(step)/pool")
    program = dataclasses.replace(ON_CARDS, costly=(found, Costly("scatter", "bf16[2] other")))
    text = results.details(program, "nvcc 1")
    assert text.startswith("compiled for h100:8, 100 images a chip; jax ") and "nvcc 1" in text
    lines = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    kernels = {line[0]: line[1:6] for line in lines}
    assert kernels["| __cudnn$convForward"] == ["bf16", "bf16", "2", "1,978", "0.07"]
    assert kernels["| elementwise"] == ["-", "bf16", "10", "0", "0.67"]
    assert kernels["| all-reduce"] == ["3", "5", "100.000", "50.000 |"]
    assert list(kernels).index("| __cudnn$convForward") < list(kernels).index("| elementwise")
    assert "costly on a GPU: 2 x scatter (the first: bf16[4] jit(step)/pool)" in text
    on = hardware.parse("b200:8")
    results.write(tmp_path, text, {"program": program.as_dict()}, {"b200": program}, [on])
    kept = json.loads((tmp_path / "plan.json").read_text())["program"]
    assert CompiledStep.from_dict(kept) == program
    assert (tmp_path / "plan.svg").stat().st_size > 1_000


@pytest.mark.parametrize("text", ["v5e:2x2", "h100:1"])
def test_without_a_compiler_the_step_is_lowered(monkeypatch, tmp_path, text):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compilers, "version", lambda on: None)
    step = Step(tiny(), examples=100)
    with pytest.raises(NoCompiler, match=r"pip install .*jax"):
        step.compiled(hardware.parse(text), 8)
    if text == "v5e:2x2":
        lowered = step.lowered(8)
        assert set(lowered) == {"tpu", "cuda"} and min(lowered.values()) > 1_000


@pytest.mark.slow
def test_a_compiled_step_is_kept(monkeypatch, tmp_path):
    pytest.importorskip("libtpu")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    step, on = Step(tiny(), examples=100), slices.parse("v5e:2x2")
    program = step.compiled(on, 8)
    params = jax.tree.leaves(Assembly(tiny(), examples=100).abstract_state.params)
    parameter_bytes = 4 * sum(leaf.size for leaf in params)
    assert program.summed >= parameter_bytes and program.others == 0
    monkeypatch.setattr(planned, "lower", None)  # would be called for another
    assert step.compiled(on, 8) == program
    with pytest.raises(TypeError):
        step.compiled(on, 16)


@pytest.mark.parametrize("text", ["0", "many", "-3"])
def test_what_is_no_batch(text):
    with pytest.raises(UserError, match="is no number of images"):
        batch_sizes([text], tiny())
    assert batch_sizes([], tiny()) == [32]
