"""The arithmetic of a plan, and the step that it is made of."""

import dataclasses

import jax
import pytest

from configs import smoke
from resnet_jax.planning import report as scaling_report
from resnet_jax.planning import scaling, slices
from resnet_jax.planning import step as planning
from resnet_jax.planning.scaling import Program, predict
from resnet_jax.tables import UserError

PROGRAM = Program(
    slice="v5e:2x2", images=100, flops=197e9, bytes=819e6 + 200e6, temporaries=1_100_000_000,
    state=100_000_000, batch=60_000_000, reductions=3, reduced=100_000_000, others=0,
    others_bytes=0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "chips", "torus", "hops"),
    [
        ("v5e:4x4", 16, False, 6),
        ("v5e:16x16", 256, True, 16),
        ("v4:2x2x4", 16, False, 5),
        ("v4:4x4x8", 128, True, 8),
        ("v6e:1x1", 1, True, 0),
    ],
)
def test_slices(text, chips, torus, hops):
    found = slices.parse(text)
    assert (str(found), found.chips, found.is_torus, found.hops) == (text, chips, torus, hops)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v5e:4x4x4", "is no TPU slice: write its generation and shape, as v5e:4x4"),
        ("v4:4x4", "as v4:2x2x1"),
        ("v5:4x4", "unknown TPU generation 'v5'"),
        ("v5e", "is no TPU slice"),
        ("v5e:0x4", "is no TPU slice"),
    ],
)
def test_what_is_no_slice(text, message):
    with pytest.raises(UserError, match=message):
        slices.parse(text)


def test_a_step_on_one_chip_by_hand():
    found = predict(PROGRAM, slices.parse("v5e:1x1"), 200)
    assert found.images == 200 and found.communication_time == 0 and found.efficiency == 1
    assert found.arithmetic_time == pytest.approx(2e-3)
    # The state is read and written once, whatever the batch.
    assert found.memory_time == pytest.approx((200e6 + 2 * 819e6) / 819e9)
    assert found.step_time == found.memory_time
    assert found.images_per_second == pytest.approx(200 / found.memory_time)
    assert found.memory == 100e6 + 2 * 60e6 + 100e6 + 2 * 1_000e6
    assert found.fits and not found.compiled
    assert not predict(PROGRAM, slices.parse("v5e:1x1"), 1_500).fits


@pytest.mark.parametrize(("text", "share", "hops"), [("v5e:4x4", 0.5, 6), ("v5e:16x16", 1, 16)])
def test_sums_over_chips_by_hand(text, share, hops):
    on = slices.parse(text)
    found = predict(PROGRAM, on, 100 * on.chips)
    sent = 2 * (on.chips - 1) / on.chips * 100e6
    assert found.communication_time == pytest.approx(sent / (200e9 * share) + 3 * 2 * hops * 1e-6)
    alone = predict(PROGRAM, slices.parse("v5e:1x1"), 100)
    assert found.efficiency == pytest.approx(alone.step_time / found.step_time)
    split = dataclasses.replace(PROGRAM, reduced=0, others=1, others_bytes=100_000_000)
    assert scaling.communication_time(split, on) < found.communication_time


def test_only_the_compiled_slice_and_batch_are_called_compiled():
    assert predict(PROGRAM, slices.parse("v5e:2x2"), 400).compiled
    assert not predict(PROGRAM, slices.parse("v5e:2x2"), 800).compiled
    assert not predict(PROGRAM, slices.parse("v5e:4x4"), 1_600).compiled


def tiny():
    return smoke.get_config(
        "stage_depths=(1,),widths=(8,),stem_width=8,data.image_size=8,train.steps=None,"
        "train.epochs=2.0,schedule.warmup_epochs=1.0"
    )


def test_the_table_and_the_figure(tmp_path):
    """The training set is counted, not read: there is no set of so many images here."""
    step = planning.Step(tiny(), examples=3_600_000)
    on = slices.parse("v5e:2x2")
    rows = [predict(PROGRAM, on, 400)]
    assert step.hours(rows[0]) == pytest.approx(2 * 3_600_000 / 400 * rows[0].step_time / 3600)
    table = scaling_report.table(rows, step.hours)
    head, _, line = table.splitlines()
    assert len(head.split("|")) == len(line.split("|"))
    assert "| v5e:2x2 | 400 | 100 | 1.3 | 16.0 |" in line and line.endswith("compiled |")
    result = {"rows": [row.as_dict() for row in rows]}
    scaling_report.write(tmp_path, table, result, PROGRAM, [on])
    assert {path.name for path in tmp_path.iterdir()} == {
        "plan.md", "plan.json", "plan.svg", "plan.png"
    }  # fmt: skip


def test_without_a_compiler_the_step_is_lowered(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(planning.compiled, "has_tpu_compiler", lambda: False)
    step = planning.Step(tiny(), examples=100)
    with pytest.raises(planning.NoCompiler, match=r"pip install -r requirements-tpu\.txt"):
        step.compiled(slices.parse("v5e:2x2"), 8)
    lowered = step.lowered(8)
    assert set(lowered) == {"tpu", "cuda"} and min(lowered.values()) > 1_000


@pytest.mark.slow
def test_a_compiled_step_is_kept(monkeypatch, tmp_path):
    pytest.importorskip("libtpu")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    step, on = planning.Step(tiny(), examples=100), slices.parse("v5e:2x2")
    program = step.compiled(on, 8)
    assembly = step._assembly(32, None, "tpu")
    params = jax.tree.leaves(assembly.abstract_state.params)
    parameter_bytes = 4 * sum(leaf.size for leaf in params)
    assert program.reduced >= parameter_bytes and program.others == 0
    monkeypatch.setattr(planning, "lower", None)  # would be called for another
    assert step.compiled(on, 8) == program
    with pytest.raises(TypeError):
        step.compiled(on, 16)


@pytest.mark.parametrize("text", ["0", "many", "-3"])
def test_what_is_no_batch(text):
    with pytest.raises(UserError, match="is no number of images"):
        planning.batch_sizes([text], tiny())
    assert planning.batch_sizes([], tiny()) == [32]
