"""The verb plan, with steps that were compiled before."""

import dataclasses
import json

import pytest
from planning.programs import ON_CARDS

from resnet_jax.planning.step import Step
from resnet_jax.verbs import plan


@pytest.fixture
def compiled(monkeypatch):
    """The hardware that steps were asked for; each step moves what its place in the list says."""
    asked = []

    def compiled(self, on, images):
        if str(on) not in asked:
            asked.append(str(on))
        times = 1 + asked.index(str(on))
        return dataclasses.replace(ON_CARDS, on=str(on), images=images, temporaries=times * 10**9)

    monkeypatch.setattr(Step, "compiled", compiled)
    yield asked
    plan.FLAGS.unparse_flags()


def run(*flags: str) -> dict:
    plan.FLAGS(["plan", "--config=configs/smoke.py:train.steps=100", "--batch=800", *flags])
    return plan.main()


def test_each_card_has_a_program_of_its_own(compiled, tmp_path, capsys):
    on = "--topology=h100:8,a100:16,h100:1"
    result = run(on, "--base_images=100", f"--out={tmp_path / 'plan'}")
    assert compiled == ["h100:8", "a100:8"] and list(result["programs"]) == ["h100", "a100"]
    rows = {row["on"]: row for row in result["rows"]}
    state = ON_CARDS.state + ON_CARDS.batch
    assert rows["h100:8"]["memory"] == state + 1e9 and rows["h100:8"]["compiled"]
    # Half the images, of the second program: what grows with them is halved.
    fixed = ON_CARDS.state + ON_CARDS.summed
    assert rows["a100:16"]["memory"] == fixed + (ON_CARDS.batch + 2e9 - ON_CARDS.summed) / 2
    printed = capsys.readouterr().out
    assert printed.count("| kernel | reads |") == 2 and "six others it missed by -15%" in printed
    kept = json.loads((tmp_path / "plan" / "plan.json").read_text())
    assert len(kept["programs"]["a100"]["kernels"]) == len(ON_CARDS.kernels)
    assert "kernels" not in result["programs"]["a100"]


def test_one_base_stands_for_all(compiled, capsys):
    run("--topology=h100:8,a100:16", "--base=h200:1")
    assert compiled == ["h200:1"]
    assert capsys.readouterr().out.count("| kernel | reads |") == 1


def test_exactly_compiles_every_row(compiled):
    result = run("--topology=h100:8,a100:16", "--exact")
    assert compiled == ["h100:8", "a100:8", "a100:16"]
    assert all(row["compiled"] for row in result["rows"])
