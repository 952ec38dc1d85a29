"""What each later habit of training adds to the recipe of 2015."""

from collections.abc import Iterator

from resnet_jax.sweeps.experiment import Row

TITLE = "What does each habit since 2015 add to the first recipe?"
SOURCE = "He et al., arXiv 1512.03385, Table 6 (ResNet-20) for the first row"
BASES = {
    "paper": "cifar10:depth=20",
    "small": "cifar10_small:depth=20,schedule.name=step,schedule.decay_at=(0.5,0.75)",
    "smoke": "smoke:stage_depths=(1,1),widths=(4,8),width_factor=1.0,stem_width=4,"
    "data.image_size=8,train.steps=16,schedule.name=step",
}
SEEDS = {"paper": 5, "small": 3, "smoke": 1}
# Updates that an average reaches back, as a decay: a hundredth of the paper's run, and of a short.
DECAYS = {"paper": 0.998, "small": 0.95, "smoke": 0.9}
WARMUP = {"paper": 5.0, "small": 0.1, "smoke": 0.2}
CUTOUT = {"paper": 16, "small": 16, "smoke": 4}


def rows(scale: str) -> Iterator[Row]:
    habits = {
        "warm-up": f"schedule.warmup_epochs={WARMUP[scale]}",
        "cosine": "schedule.name=cosine",
        "Nesterov": "optim.name=nesterov",
        "label smoothing 0.1": "train.label_smoothing=0.1",
        "mixup": "mixing.mixup=1.0",
        "CutMix": "mixing.cutmix=1.0",
        "cutout": f"data.cutout={CUTOUT[scale]}",
        "averaged weights": f"train.ema_decay={DECAYS[scale]}",
        "zero-init last scale": "zero_init_branch=True",
    }
    yield Row("2015", "", 8.75)
    for name, changes in habits.items():
        yield Row(f"+ {name}", changes)
    yield Row("all together", ",".join(habits.values()))
