"""Which runs an analysis looks at."""

import json
from pathlib import Path

import pytest

from resnet_jax.assembly import Assembly, configuration, run_folder
from resnet_jax.tables import UserError
from resnet_jax.verbs import analyse, launch

TINY = "configs/smoke.py:stage_depths=(2,),widths=(4,),stem_width=4,checkpoint.keep=2,seed="


def write_run(workdir: Path, seed: int, steps: list[int], metrics: dict | None) -> Path:
    config = configuration.read(f"{TINY}{seed}")
    assembly = Assembly(config)
    run_folder.claim(workdir, config, assembly.inputs.facts())
    state = assembly.create_state()
    with assembly.checkpoints(workdir) as checkpoints:
        for step in steps:
            checkpoints.save(state.replace(step=state.step + step), metrics)
    return workdir


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    evaluated = write_run(folder / "one", 0, [3, 8], {"top1": 0.5})
    return evaluated, write_run(folder / "other", 1, [5], None)


def analysed(*arguments: object) -> dict:
    operands = launch.parse(analyse, list(map(str, arguments)))
    return json.loads(Path(analyse.main(*operands)["file"]).read_text())


def test_the_other_run_is_taken_at_its_own_checkpoint(runs, tmp_path):
    """Not at that which --step and --best choose of the first, nor with its --changes."""
    one, other = runs
    flags = (f"--workdir={one}", f"--out={tmp_path}", "--examples=16")
    plain = analysed("similarity", *flags, f"--other={other}")
    assert plain["cka"] != analysed("similarity", *flags)["cka"]
    # The other run has no checkpoint of step 3, none that was evaluated, and another seed.
    for choice in ("--step=3", "--best", "--changes=seed=0"):
        # All checkpoints of a run hold the same numbers here.
        assert analysed("similarity", *flags, f"--other={other}", choice)["cka"] == plain["cka"]


def test_one_run_has_no_such_step(runs, tmp_path):
    with pytest.raises(UserError, match=r"no checkpoint of step 5 .*there are: \[3, 8\]"):
        analysed("similarity", f"--workdir={runs[0]}", f"--out={tmp_path}", "--step=5")


def test_an_analysis_without_a_run_looks_at_the_start(tmp_path):
    found = analysed("receptive_field", f"--config={TINY}0", f"--out={tmp_path}", "--examples=4")
    assert found["theoretical"]["stage1/block1"] == {"size": 7, "stride": 1}


def test_options_of_an_own_analysis_are_checked(runs, tmp_path):
    file = tmp_path / "my_rows.py"
    file.write_text(
        "from resnet_jax.reporting.findings import Findings\n"
        "def study(subject, *, points=3):\n"
        "    return Findings({'points': points}, {}, 'counted')\n"
    )
    flags = (f"{file}:study", f"--workdir={runs[0]}", f"--out={tmp_path}")
    assert analysed(*flags, "--option=points=5")["points"] == 5
    with pytest.raises(UserError, match=r"takes no point \(did you mean 'points'\?\)"):
        analysed(*flags, "--option=point=5")
    with pytest.raises(UserError, match="--option is for an analysis of your own"):
        analysed("lesion", *flags[1:], "--option=points=3")


def test_a_run_takes_no_other_configuration(runs):
    for flag in (f"--config={TINY}0", "--config.seed=1"):
        with pytest.raises(UserError, match="leave out --config"):
            analysed("lesion", f"--workdir={runs[0]}", flag)
