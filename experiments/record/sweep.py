"""What each part of the fastest recipe for CIFAR-10 is worth: the recipe without it."""

from resnet_jax.sweeps.experiment import Row

TITLE = "What is each part of the 94% recipe worth?"
SOURCE = "Jordan, arXiv 2404.00498, whose networks have no shortcuts: no figure of these rows"
TINY = "widths=(8,8,8),stage_depths=(1,1,1),train.batch_size=32,train.steps=8,eval.every_epochs=0.0"
BASES = {
    "paper": "cifar10_94:eval.every_epochs=1.0",
    "small": "cifar10_94:model.widths=(16,64,64),data.train_split=train[:10000],train.steps=95",
    "smoke": f"cifar10_94:{TINY},data.train_split=train[:512],data.eval_split=test[:256]",
}
SEEDS, TARGET = {"paper": 5, "small": 5, "smoke": 1}, 94.0  # the target: top-1 in percent
NORMS_ALONE = "({'name':'norm_biases','rate':64.0,'decay':0.015625},)"
HEAD = f"model.head.bias=False,model.head.logit_scale={1 / 9}"
STEM_ALONE = "({'name':'stem_bias','epochs':2.94912},)"
PARTS = {
    "whitening": f"stem=cifar,optim.groups={NORMS_ALONE}",
    "identity kernels": "kernel_init=pytorch",
    "unscaled norms": "norm.scale=True",
    "fast biases": f"optim.groups={STEM_ALONE}",
    "GELU": "activation=relu",
    "pooling convolutions": "transition=block",
    "scaled logits": "model.head.logit_scale=1.0",
    "max pool before the head": f"model.head=mean,{HEAD}",
    "shortcuts": "shortcut=none",
    "alternating flips": "data.flip=True",
    "flips": "data.flip=False",
    "reflection": "data.reflect_pad=0,data.pad=2",
    "translation": "data.reflect_pad=0,data.pad=0",
    "label smoothing": "train.label_smoothing=0.0",
    "Lookahead": "optim.lookahead=None",
    "warm-up": "schedule.warmup_epochs=0.0",
}


def rows(scale):
    yield Row("recipe", "")
    yield from (Row(f"without {name}", changes) for name, changes in PARTS.items())
