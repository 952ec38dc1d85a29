"""What a block is made of, at equal numbers of blocks and equal cost: 'Wide Residual Networks'."""

from collections.abc import Iterator

from resnet_jax.sweeps.experiment import Row

TITLE = "Which convolutions make a good block, and does width replace depth?"
SOURCE = "Zagoruyko & Komodakis, arXiv 1605.07146, Tables 2, 5 and 6 (CIFAR-10, median of five)"
WIDE = "branch=wide,arrangement=full_preactivation,shortcut=B"
# Section 3. That every parameter decays, and fan-in: the code (train.lua, models/utils.lua).
BASES = {
    "paper": f"cifar10:{WIDE},width_factor=2.0,optim.name=nesterov,train.steps=None,"
    "optim.weight_decay=5e-4,optim.decay_rule=all,kernel_init=he_fan_in,norm.group_size=None,"
    "train.epochs=200.0,schedule.decay_at=(0.3,0.6,0.8),schedule.decay_factor=0.2",
    "small": f"cifar10_small:{WIDE}",
    "smoke": f"smoke:{WIDE},width_factor=1.0,widths=(4,4,8),stem_width=4,"
    "data.image_size=8,train.steps=8",
}
SEEDS = {"paper": 5, "small": 3, "smoke": 1}
PUBLISHED_IS = "median"
# Table 2: blocks a stage and error of each B(M). Its depth is 6n+4 for n blocks of any kind.
KERNELS = {(3, 3): (4, 5.73), (3, 1): (6, 5.78), (1, 3): (6, 6.42), (1, 3, 1): (6, 6.06),
           (3, 1, 1): (6, 5.86), (3, 1, 3): (3, 5.78)}  # fmt: skip
WIDER = {"40-4": (40, 4, 0, 4.53), "16-8": (16, 8, 0, 4.27), "28-10": (28, 10, 0, 4.00),
         "28-10, dropout": (28, 10, 0.3, 3.89)}  # fmt: skip


def rows(scale: str) -> Iterator[Row]:
    for kernels, (blocks, published) in KERNELS.items():
        depths = (blocks if scale == "paper" else (blocks + 1) // 2,) * 3
        name = f"B({','.join(map(str, kernels))})"
        yield Row(name, f"kernels={kernels},stage_depths={depths}", published)
    # As many blocks as B(3,3), or pairs of them, or bottlenecks, which cost about as much.
    for branch, depths in (("deep", (26, 14)), ("bottleneck", (38, 20))):
        yield Row(branch, f"branch={branch},depth={depths[scale != 'paper']}")
    for name, (depth, width, rate, error) in WIDER.items() if scale == "paper" else ():
        changes = f"depth={depth},width_factor={width:.1f},dropout={rate:.1f}"
        yield Row(f"WRN-{name}", changes, error)
    yield Row("B(3,3), dropout 0.3", f"depth={28 if scale == 'paper' else 16},dropout=0.3")
