"""Where norm and ReLU stand in a block: 'Identity Mappings', arXiv 1603.05027, Tables 2 and 3."""

from collections.abc import Iterator

from resnet_jax.sweeps.experiment import Row

TITLE = "Where in a residual block should normalisation and activation stand?"
SOURCE = "He et al., arXiv 1603.05027, Table 2 (CIFAR-10, median of five runs); 1001: Table 3"
# Appendix: all runs on CIFAR begin with 400 updates at 0.01.
BASES = {
    "paper": "cifar10:schedule.warmup=constant,schedule.warmup_start=0.1,"
    "schedule.warmup_epochs=1.024",
    "small": "cifar10_small:shortcut=A",
    "smoke": "smoke:stage_depths=(1,1),widths=(4,8),width_factor=1.0,stem_width=4,"
    "data.image_size=8,train.steps=8,shortcut=A",
}
SEEDS = {"paper": 5, "small": 3, "smoke": 1}
PUBLISHED_IS = "median"
ARRANGEMENTS = {
    "original": ("original", {110: 6.61, 164: 5.93, 1001: 7.61}),
    "bn_after_addition": ("BN after addition", {110: 8.17, 164: 6.50}),
    "relu_before_addition": ("ReLU before addition", {110: 7.84, 164: 6.14}),
    "relu_only_preactivation": ("ReLU-only pre-activation", {110: 6.71, 164: 5.91}),
    "full_preactivation": ("full pre-activation", {110: 6.37, 164: 5.46, 1001: 4.92}),
}
BOTTLENECK = "branch=bottleneck_v1,shortcut=B"
NETWORKS = {110: "shortcut=A", 164: BOTTLENECK, 1001: BOTTLENECK}


def rows(scale: str) -> Iterator[Row]:
    if scale != "paper":
        for arrangement, (name, published) in ARRANGEMENTS.items():
            yield Row(name, f"arrangement={arrangement}", published[110])
        return
    for depth, network in NETWORKS.items():
        for arrangement, (name, published) in ARRANGEMENTS.items():
            if depth in published:
                changes = f"depth={depth},arrangement={arrangement},{network}"
                yield Row(f"{name} {depth}", changes, published[depth], f"original {depth}")
