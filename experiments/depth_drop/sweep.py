"""Dropping whole branches in training: 'Deep Networks with Stochastic Depth', arXiv 1603.09382."""

from collections.abc import Iterator

from resnet_jax.sweeps.experiment import Row

TITLE = "Does a deep network learn better if its branches are dropped at random?"
SOURCE = "Huang et al., arXiv 1603.09382 (CIFAR-10, ResNet-110, survival of the last block 0.5)"
# Section 4: 45,000 images, 500 epochs, the rate a tenth at 250 and 375. The code (main.lua,
# ResidualDrop.lua): Nesterov, every parameter decays, fan-in, a branch is dropped for a whole batch
# and scaled in evaluation, shortcuts pool.
AS_PUBLISHED = "drop_whole_batch=True,shortcut=A,pooled=True"
BASES = {
    "paper": f"cifar10:{AS_PUBLISHED},depth=110,data.train_split=train[:45000],"
    "optim.name=nesterov,optim.decay_rule=all,kernel_init=he_fan_in,norm.group_size=None,"
    "train.steps=None,train.epochs=500.0",
    "small": f"cifar10_small:{AS_PUBLISHED},depth=32",
    "smoke": f"smoke:{AS_PUBLISHED},stage_depths=(1,2),widths=(4,8),width_factor=1.0,"
    "stem_width=4,data.image_size=8,train.steps=8",
}
SEEDS = {"paper": 5, "small": 3, "smoke": 1}
PUBLISHED = {1.0: 6.41, 0.5: 5.25}


def rows(scale: str) -> Iterator[Row]:
    for survival in (1.0, 0.8, 0.5, 0.2):
        name = f"survival {survival}" if survival < 1 else "constant depth"
        yield Row(name, f"survival={survival}", PUBLISHED.get(survival))
    # As later codes do: each example draws for itself, and what is kept is scaled in training.
    changes = "survival=0.5,drop_whole_batch=False"
    yield Row("survival 0.5, per example", changes, against="survival 0.5")
