"""Options A, B and C in 34 layers: 'Deep Residual Learning', arXiv 1512.03385, Table 3."""

from collections.abc import Iterator

from resnet_jax.sweeps.experiment import Row

TITLE = "Which shortcut should a residual network have where its shape changes?"
SOURCE = "He et al., arXiv 1512.03385, Table 3 (ImageNet validation, top-1 error of 10 crops)"
BASES = {
    "paper": "imagenet_paper:depth=34",
    # The same 34 layers on the images that cifar10_small has.
    "small": "cifar10_small:stage_depths=(3,4,6,3),widths=(8,16,32,64)",
    "smoke": "smoke:stage_depths=(1,1),widths=(4,8),width_factor=1.0,stem_width=4,"
    "data.image_size=8,train.steps=8",
}
SEEDS = {"paper": 1, "small": 2, "smoke": 1}
PUBLISHED = {"none": 28.54, "A": 25.03, "B": 24.52, "C": 24.19}


def rows(scale: str) -> Iterator[Row]:
    for shortcut, published in PUBLISHED.items():
        name = "plain" if shortcut == "none" else f"option {shortcut}"
        yield Row(name, f"shortcut={shortcut}", published)
