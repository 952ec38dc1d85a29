"""The connections of a block, as rows: what joins x and F(x), by the names of `model.shortcut`."""

from resnet_jax.models.connections import ends, identity_mappings
from resnet_jax.models.connections.record import Connection, Shortcut
from resnet_jax.tables import Table

SHORTCUTS = Table(
    "shortcut",
    {
        "A": ends.ENDS["A"],
        "B": ends.ENDS["B"],
        "C": Shortcut(ends.option_c, projects=True),
        "D": ends.ENDS["D"],
        "none": Shortcut(ends.none, absent=True),
        "constant_scaling": Shortcut(identity_mappings.constant_scaling),
        "exclusive_gating": Shortcut(identity_mappings.exclusive_gating),
        "shortcut_only_gating": Shortcut(identity_mappings.shortcut_only_gating),
        "convolution_1x1": Shortcut(identity_mappings.convolution_1x1, projects=True),
        "dropout": Shortcut(identity_mappings.dropout),
    },
    Shortcut,
    Connection,
)
