"""Which examples share statistics, and which statistics an evaluation uses."""

from collections.abc import Iterator

from resnet_jax.sweeps.experiment import Row

TITLE = "How many examples should share batch statistics, and which does an evaluation use?"
SOURCE = "none: Wu & He, arXiv 1803.08494, and Wu & Johnson, arXiv 2105.07576, ask it of ImageNet"
BASES = {
    "paper": "cifar10:depth=56,norm.group_size=None",
    "small": "cifar10_small:depth=20",
    "smoke": "smoke:stage_depths=(1,1),widths=(4,8),width_factor=1.0,stem_width=4,"
    "data.image_size=8,train.steps=8",
}
SEEDS = {"paper": 5, "small": 3, "smoke": 1}
SIZES = {"paper": (64, 32, 16, 8, 4, 2), "small": (16, 8, 4, 2), "smoke": (8, 2)}
CHANNEL_GROUPS = {"paper": 16, "small": 8, "smoke": 4}


def rows(scale: str) -> Iterator[Row]:
    yield Row("whole batch", "")
    yield Row("whole batch, recalibrated", "eval.recalibration_steps=20")
    for size in SIZES[scale]:
        yield Row(f"{size} examples", f"norm.group_size={size}")
    smallest = SIZES[scale][-1]
    recalibrated = f"norm.group_size={smallest},eval.recalibration_steps=20"
    yield Row(f"{smallest} examples, recalibrated", recalibrated, against=f"{smallest} examples")
    for groups in (CHANNEL_GROUPS[scale], CHANNEL_GROUPS[scale] // 2):
        changes = f"norm.name=group,norm.channel_groups={groups}"
        yield Row(f"{groups} groups of channels", changes)
        yield Row(f"{groups} groups, standardised", f"{changes},weight_epsilon=1e-5")
