"""Eleven kinds of shortcut: 'Identity Mappings', arXiv 1603.05027, Table 1; and option B."""

from collections.abc import Iterator

from resnet_jax.sweeps.experiment import Row

TITLE = "What may a shortcut do to its input?"
SOURCE = "He et al., arXiv 1603.05027, Table 1 (CIFAR-10, ResNet-110, median of five runs)"
# Both papers hold the rate at a tenth for the first 400 updates of ResNet-110.
BASES = {
    "paper": "cifar10:depth=110,schedule.warmup=constant,schedule.warmup_start=0.1,"
    "schedule.warmup_epochs=1.024",
    "small": "cifar10_small:depth=20",
    "smoke": "smoke:stage_depths=(1,1),widths=(4,8),width_factor=1.0,stem_width=4,"
    "data.image_size=8,train.steps=8",
}
SEEDS = {"paper": 5, "small": 3, "smoke": 1}
PUBLISHED_IS = "median"


def rows(scale: str) -> Iterator[Row]:
    yield Row("original (option A)", "shortcut=A", 6.61)
    yield Row("constant scaling 0, 1 (plain)", "shortcut=none", "fail")
    for shortcut, branch, published in ((0.5, 1.0, "fail"), (0.5, 0.5, 12.35)):
        scales = f"shortcut_scale={shortcut},branch_scale={branch}"
        name = f"constant scaling {shortcut}, {branch:g}"
        yield Row(name, f"shortcut=constant_scaling,{scales}", published)
    for bias, published in ((0.0, "fail"), (-6.0, 8.70), (-7.0, 9.81)):
        name = f"exclusive gating, bias {bias:g}"
        yield Row(name, f"shortcut=exclusive_gating,gate_bias={bias}", published)
    for bias, published in ((0.0, 12.86), (-6.0, 6.91)):
        name = f"shortcut-only gating, bias {bias:g}"
        yield Row(name, f"shortcut=shortcut_only_gating,gate_bias={bias}", published)
    # 'Known as option C' (section 3.1), with the norm that follows all weight layers (Figure 2).
    yield Row("1x1 convolution (option C)", "shortcut=C", 12.22)
    yield Row("1x1 convolution without norm", "shortcut=convolution_1x1")
    yield Row("dropout 0.5", "shortcut=dropout,shortcut_dropout=0.5", "fail")
    yield Row("option B", "shortcut=B")
