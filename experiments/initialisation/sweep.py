"""How the branches start, with normalisation and without."""

from collections.abc import Iterator

from resnet_jax.sweeps.experiment import Row

TITLE = "How should a branch start, and can a good start replace normalisation?"
SOURCE = (
    "none for CIFAR: zero-init is arXiv 1706.02677, SkipInit 2002.10444, ReZero 2003.04887,"
    " Fixup 1901.09321"
)
BASES = {
    "paper": "cifar10:depth=56",
    "small": "cifar10_small:depth=20",
    "smoke": "smoke:stage_depths=(1,1),widths=(4,8),width_factor=1.0,stem_width=4,"
    "data.image_size=8,train.steps=8",
}
SEEDS = {"paper": 5, "small": 3, "smoke": 1}
NONE = "norm.name=none"


def rows(scale: str) -> Iterator[Row]:
    yield Row("He, fan-out", "")
    yield Row("He, fan-in", "kernel_init=he_fan_in")
    yield Row("PyTorch", "kernel_init=pytorch")
    yield Row("zero last scale", "zero_init_branch=True")
    yield Row("no norm", NONE)
    yield Row("no norm, tenth of the rate", f"{NONE},optim.rate=0.01")
    yield Row("no norm, zero last kernel", f"{NONE},zero_init_branch=True")
    yield Row("no norm, learned gain from 0", f"{NONE},branch_gain=0.0")
    yield Row("no norm, learned gain from 1", f"{NONE},branch_gain=1.0")
    yield Row("Fixup", "norm.name=fixup")
