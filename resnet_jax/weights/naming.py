"""What other codes call the parameters: from a path in Flax variables to a name in a state dict.

See weights.codes for the names of layers, and for what the codes are.
"""

import re
from collections.abc import Iterable, Sequence

from resnet_jax.models.resnet import ResNet
from resnet_jax.tables import choose
from resnet_jax.weights.codes import NAMINGS, Rules

# Other leaves keep their names, since no other code has them.
LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
    "slope": "v",
    "threshold": "tau",
}
FLAX = ("params/", "batch_stats/")  # how names of the naming 'flax' begin
# Of module and leaf together, after the rules of modules.
WHOLE: dict[str, Rules] = {
    "nfnet": ((r"\.scale$", ".gain"), (r"\.branch_gain\.gain$", ".skipinit_gain")),
    "convnext": ((r"\.layer_scale\.numbers$", ".gamma"),),
}
TIMM = "timm"  # the naming of timm's file that has networks like this one
CHOICES = (TIMM, *NAMINGS)


def linear_maps(model: ResNet, naming: str) -> bool:
    """Whether 1x1 convolutions of blocks are linear maps in the file, [out, in].

    In timm's convnext.py they are in networks from 96 channels in the first stage on.
    """
    return naming == "convnext" and model.stage_widths[0] >= 96


def naming_for(model: ResNet, wanted: str | None = None) -> str:
    """The row of NAMINGS for a file that others are to load.

    Args:
      wanted: one of CHOICES; None is timm's, which is also torchvision's for its networks.

    Raises:
      UserError: it is none of them.
    """
    if wanted is None or wanted == TIMM:
        branch = model.branches[0].naming
        if model.block.arrangement.lead and branch != "regnet":  # regnet.py has both
            branch = "resnetv2"
        return model.stem_pool.naming or model.block.shortcut.naming or branch
    choose(dict.fromkeys(CHOICES), wanted, "naming")
    return wanted


def naming_of(tensors: Iterable[str]) -> str:
    """The naming that a state dict follows."""
    names = set(tensors)
    if any(name.startswith(FLAX) for name in names):
        return "flax"
    if any(name.startswith("trunk_output.") for name in names):
        return "torchvision_regnet"
    if any(re.search(r"\.conv\d\.gain$", name) for name in names):
        return "nfnet"
    if any(name.endswith(".conv_dw.weight") for name in names):
        return "convnext"
    if any(".conv1_1x1." in name for name in names):
        return "byobnet"
    if any(re.search(r"^stages\..*\.conv\d\.conv\.", name) for name in names):
        return "cspnet"
    if any(name.startswith("layer0.") for name in names):
        return "senet"
    if any(re.match(r"s\d+\.b\d+\.", name) for name in names):
        return "regnet"
    if any(re.search(r"\.conv\d\.(bn|paths)\.", name) for name in names):
        return "sknet"
    if any(name.startswith(("stages.", "stem.", "head.")) for name in names):
        return "resnetv2"
    return "akamaster" if "linear.weight" in names else "torchvision"


def tensor_name(model: ResNet, naming: str, path: Sequence[str]) -> str:
    """('params', 'stage1', 'block1', 'conv1', 'kernel') -> 'layer1.0.conv1.weight'."""
    if naming == "flax":
        return "/".join(path)
    _, *modules, leaf = path
    name = f"{module_name(model, naming, modules)}.{leaf}"
    for pattern, replacement in WHOLE.get(naming, ()):
        name = re.sub(pattern, replacement, name)
    module, _, leaf = name.rpartition(".")
    return f"{module}.{LEAVES.get(leaf, leaf)}"


def module_name(model: ResNet, naming: str, path: Sequence[str]) -> str:
    """('stage1', 'block1', 'conv1') -> 'layer1.0.conv1'."""
    name = ".".join(path)
    for pattern, replacement in NAMINGS[naming](model):
        name = re.sub(pattern, replacement, name)
    return name
