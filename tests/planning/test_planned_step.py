"""The step that a plan is made of, and what is written of the plan."""

import jax
import pytest
from planning.programs import PROGRAM

from configs import smoke
from resnet_jax.assembly import Assembly
from resnet_jax.planning import results, slices
from resnet_jax.planning import step as planned
from resnet_jax.planning.scaling import predict
from resnet_jax.planning.step import NoCompiler, Step, batch_sizes
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
    results.write(tmp_path, table, result, PROGRAM, [on])
    assert {path.name for path in tmp_path.iterdir()} == {
        "plan.md", "plan.json", "plan.svg", "plan.png"
    }  # fmt: skip


def test_without_a_compiler_the_step_is_lowered(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(planned.compiled, "has_tpu_compiler", lambda: False)
    step = Step(tiny(), examples=100)
    with pytest.raises(NoCompiler, match=r"pip install -r requirements-tpu\.txt"):
        step.compiled(slices.parse("v5e:2x2"), 8)
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
    assert program.reduced >= parameter_bytes and program.others == 0
    monkeypatch.setattr(planned, "lower", None)  # would be called for another
    assert step.compiled(on, 8) == program
    with pytest.raises(TypeError):
        step.compiled(on, 16)


@pytest.mark.parametrize("text", ["0", "many", "-3"])
def test_what_is_no_batch(text):
    with pytest.raises(UserError, match="is no number of images"):
        batch_sizes([text], tiny())
    assert batch_sizes([], tiny()) == [32]
