"""Which keys of a configuration choose a row, and of which table."""

from collections.abc import Callable, Mapping
from typing import Any

from resnet_jax.data.changes.augment import AUGMENTATIONS
from resnet_jax.data.changes.policies import POLICIES
from resnet_jax.data.sources.catalogue import SOURCES
from resnet_jax.models import ROWS, building
from resnet_jax.tables import Table, options_of
from resnet_jax.training.losses import LOSSES
from resnet_jax.training.metrics import METRICS
from resnet_jax.training.optim import OPTIMIZERS
from resnet_jax.training.schedules import SHAPES

# Keys whose value is a choice, with its options inside.
CHOICES: dict[str, Table] = {
    **{f"model.{name}": table for name, table in building.TABLES.items() if name != "norm"},
    "data.source": SOURCES,
    "data.policy": POLICIES,
    "train.loss": LOSSES,
}
# Sections that are a choice: `name` and the row's options stand beside the section's own keys.
SECTIONS: dict[str, Table] = {
    "norm": building.TABLES["norm"],
    "optim": OPTIMIZERS,
    "schedule": SHAPES,
}


def every_table() -> dict[str, Table]:
    """All tables that a configuration chooses from, by the last name of the key."""
    choosing = {key.rpartition(".")[2]: table for key, table in {**CHOICES, **SECTIONS}.items()}
    return {**choosing, "augmentation": AUGMENTATIONS, "metric": METRICS, "network": ROWS}


def defaults_of_options() -> dict[str, Any]:
    """The default of every option of every row, as {"optim=sgd:momentum": 0.9}."""
    return {
        f"{key}={name}:{option}": list(value) if isinstance(value, tuple) else value
        for key, table in {**CHOICES, **SECTIONS}.items()
        for name, row in table.items()
        for option, value in options_of(row).items()
    }


def divided(
    section: Mapping[str, Any], function: Callable[..., Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divides a section into the options that the function takes, and the rest."""
    taken = options_of(function)
    own = {key: value for key, value in section.items() if key in taken}
    return own, {key: value for key, value in section.items() if key not in taken}
