"""The connections of a block, as rows: what joins x and F(x), by the names of `model.shortcut`."""

from resnet_jax.models.connections import (
    earlier,
    ends,
    identity_mappings,
    shaken,
    streams,
    updates,
)
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
        "identity_or_none": Shortcut(ends.identity_or_none, absent_at_ends=True),
        "constant_scaling": Shortcut(identity_mappings.constant_scaling),
        "exclusive_gating": Shortcut(identity_mappings.exclusive_gating),
        "shortcut_only_gating": Shortcut(identity_mappings.shortcut_only_gating),
        "convolution_1x1": Shortcut(identity_mappings.convolution_1x1, projects=True),
        "dropout": Shortcut(identity_mappings.dropout, random=True),
        "orthogonal": Connection(updates.orthogonal),
        "decayed_identity": Connection(updates.decayed_identity),
        "normaliser_free": Connection(
            updates.normaliser_free, input_scale=updates.expected_deviation, naming="nfnet"
        ),
        "scalar_gate": Connection(updates.scalar_gate),
        "channel_gate": Connection(updates.channel_gate),
        "squeezed_gate": Connection(updates.squeezed_gate),
        "layer_scale": Connection(updates.layer_scale),
        "deep_norm": Connection(updates.deep_norm, kernel_scale=updates.deep_norm_kernel_scale),
        "highway": Connection(updates.highway),
        "weighted": Connection(updates.weighted),
        "deep_delta": Connection(updates.deep_delta),
        "hyper": Connection(streams.hyper, streams.copies, streams.total, carries=True),
        "manifold_hyper": Connection(
            streams.manifold_hyper, streams.copies, streams.total, carries=True
        ),
        "attention": Connection(
            earlier.attention,
            earlier.one,
            earlier.attended,
            carries=True,
            after=False,
            scans=False,
        ),
        "concatenation": Connection(
            earlier.concatenation, carries=True, after=False, scans=False, windows=((2, 2),)
        ),
        "dense_sum": Connection(
            earlier.dense_sum,
            earlier.one,
            earlier.newest,
            carries=True,
            after=False,
            scans=False,
        ),
        "fused": Connection(earlier.fused),
        "shake_shake": Connection(shaken.shake_shake, random=True, branches=2),
        "shake_drop": Connection(shaken.shake_drop, random=True),
        "resnet_in_resnet": Connection(
            streams.resnet_in_resnet, streams.two, carries=True, branches=4
        ),
        "reversible": Connection(
            streams.reversible,
            streams.halves,
            streams.joined,
            inverse=streams.reversible_inverse,
            branches=2,
            in_sequence=2,
            carries=True,
            after=False,
        ),
    },
    Shortcut,
    Connection,
)
