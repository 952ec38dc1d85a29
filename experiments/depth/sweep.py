"""Plain and residual networks of growing depth: 'Deep Residual Learning', arXiv 1512.03385."""

from collections.abc import Iterator

from resnet_jax.sweeps.experiment import Row

TITLE = "Does a network get worse when it gets deeper, and do shortcuts prevent it?"
SOURCE = (
    "He et al., arXiv 1512.03385, Table 6 (ResNet-110: mean of five runs) and Figure 6;"
    " ResNet-1001: arXiv 1603.05027, Table 3 (median of five runs)"
)
BASES = {
    "paper": "cifar10",
    # Above half the papers' rate per image, 56 layers lose some of the updates (see README).
    "small": "cifar10_small:optim.rate=0.0125",
    "smoke": "smoke:widths=(4,4,4),width_factor=1.0,stem_width=4,train.steps=8",
}
SEEDS = {"paper": 5, "small": 3, "smoke": 1}
DEPTHS = {"paper": (20, 32, 44, 56, 110, 1001), "small": (20, 56), "smoke": (8, 14, 110, 1001)}
PUBLISHED = {20: 8.75, 32: 7.51, 44: 7.17, 56: 6.97, 110: 6.61, 1001: 7.61}
# As published, with projections; as a scan it compiles in seconds.
BOTTLENECK = "branch=bottleneck_v1,model.scan_blocks=True"
# ResNet-110 starts at a tenth of the rate for about 400 updates (section 4.2).
SLOW_START = "schedule.warmup=constant,schedule.warmup_start=0.1,schedule.warmup_epochs=1.024"


def rows(scale: str) -> Iterator[Row]:
    shallowest = DEPTHS[scale][0]
    for kind, shortcut in (("residual", "A"), ("plain", "none")):
        for depth in DEPTHS[scale]:
            changes = f"depth={depth},shortcut={shortcut}"
            if depth == 1001:
                projecting = shortcut.replace("A", "B")
                changes = f"depth={depth},shortcut={projecting},{BOTTLENECK}"
            if scale == "paper" and depth >= 110:
                changes += f",{SLOW_START}"
            published = PUBLISHED.get(depth) if kind == "residual" else None
            yield Row(f"{kind} {depth}", changes, published, against=f"{kind} {shallowest}")
