"""Experiments made up for the tests."""

from pathlib import Path

TINY = (
    "configs/smoke.py:stage_depths=(1,),widths=(4,),width_factor=1.0,stem_width=4,"
    "data.image_size=8,data.examples=64,train.steps=40,checkpoint.every_epochs=10.0,"
    "eval.every_epochs=10.0,report.every_steps=1,report.tensorboard=False"
)


def write_experiment(folder: Path, rows: str, base: str = TINY) -> Path:
    """Writes a sweep.py; `rows` holds the expressions of its rows."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sweep.py").write_text(
        "from resnet_jax.sweeps.experiment import Row\n"
        "TITLE, SOURCE = 'Which is best?', 'made up'\n"
        f"BASES, SEEDS = {{'smoke': {base!r}}}, {{'smoke': 2}}\n"
        f"def rows(scale):\n    yield from [{rows}]\n"
    )
    return folder
