"""What a block is made of, at equal numbers of blocks and equal cost: 'Wide Residual Networks'."""

from collections.abc import Iterator

from resnet_jax.sweeps.experiment import Row

TITLE = "Which convolutions make a good block, and does width replace depth?"
SOURCE = "Zagoruyko & Komodakis, arXiv 1605.07146 (CIFAR-10, WRN-40-4, -16-8 and -28-10)"
WIDE = "branch=wide,arrangement=full_preactivation,shortcut=B"
# Section 3: Nesterov, weight decay 5e-4, 200 epochs, the rate a fifth at 60, 120 and 160.
BASES = {
    "paper": f"configs/cifar10.py:{WIDE},width_factor=2.0,optim.name=nesterov,train.steps=None,"
    "optim.weight_decay=5e-4,train.epochs=200.0,schedule.decay_at=(0.3,0.6,0.8),"
    "schedule.decay_factor=0.2",
    "small": f"configs/cifar10_small.py:{WIDE},train.epochs=1.0",
    "smoke": f"configs/smoke.py:{WIDE},width_factor=1.0,widths=(4,4,8),stem_width=4,"
    "data.image_size=8,train.steps=8",
}
SEEDS = {"paper": 5, "small": 2, "smoke": 1}
# Kernels of B(M), with the depth that gives the six about the same number of parameters (Table 2).
KERNELS = {(3, 3): 28, (3, 1): 40, (1, 3): 40, (1, 3, 1): 40, (3, 1, 1): 40, (3, 1, 3): 22}
PUBLISHED = (5.73, 5.78, 6.42, 6.06, 5.86, 5.78)
SHORTER = {28: 16, 40: 22, 22: 13}


def rows(scale: str) -> Iterator[Row]:
    for (kernels, depth), published in zip(KERNELS.items(), PUBLISHED, strict=True):
        name = f"B({','.join(map(str, kernels))})"
        depth = depth if scale == "paper" else SHORTER[depth]
        yield Row(name, f"depth={depth},kernels={kernels}", published)
    # As many blocks as B(3,3), or pairs of them, or bottlenecks, which cost about as much.
    for branch, depths in (("deep", (26, 14)), ("bottleneck", (38, 20))):
        yield Row(branch, f"branch={branch},depth={depths[scale != 'paper']}")
    if scale == "paper":
        for depth, width, published in ((40, 4, 4.53), (16, 8, 4.27), (28, 10, 4.00)):
            changes = f"depth={depth},width_factor={width:.1f}"
            yield Row(f"WRN-{depth}-{width}", changes, published)
    yield Row("B(3,3), dropout 0.3", f"depth={28 if scale == 'paper' else 16},dropout=0.3")
