"""Which keys of a configuration choose a row, of which table, and the domain of every key."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from ml_collections import ConfigDict

from resnet_jax.assembly.sections import RECORDS
from resnet_jax.data import photographs
from resnet_jax.data.changes import augment
from resnet_jax.data.changes.augment import AUGMENTATIONS
from resnet_jax.data.sources.catalogue import OF_THE_RUN, SOURCES
from resnet_jax.models import ROWS
from resnet_jax.tables import Choice, Table, annotations_of, domains, options_of, split
from resnet_jax.training.metrics import METRICS
from resnet_jax.training.optimizers.groups import GROUPS

# The key of every value that chooses a row, and its table.
_TABLES: dict[tuple[str, str], Table] = {
    (section, key): fact
    for section, record in RECORDS.items()
    for key, annotation in annotations_of(record).items()
    for fact in domains.constraints(annotation)
    if isinstance(fact, Table)
}
# Keys whose value is a choice, with its options inside.
CHOICES = {f"{section}.{key}": table for (section, key), table in _TABLES.items() if key != "name"}
# Sections that are a choice: `name` and the row's options stand beside the section's own keys.
SECTIONS = {section: table for (section, key), table in _TABLES.items() if key == "name"}

_Own = Annotated[Choice, augment.FOREIGN]
# Keys that the section `data` takes beside its own and the source's options.
KEYS_OF_DATA = {
    **photographs.KEYS,
    **{name: augment.amount_of(row) for name, row in AUGMENTATIONS.items()},
    "augment": _Own | tuple[_Own, ...],
}


def keys_of(config: ConfigDict, section: str) -> dict[str, Any]:
    """The domain of every key that a section takes, those of the row that it chooses among them."""
    own = annotations_of(RECORDS[section])
    if section in SECTIONS:
        return _options(SECTIONS[section].row(split(config[section].name)[0])) | own
    if section != "data":
        return own
    name, _ = split(config.data.to_dict()["source"], SOURCES.what)
    # A key of another source may wait for that source to be chosen.
    sources = {**SOURCES, name: SOURCES.row(name)}
    options = {key: found for row in sources.values() for key, found in _options(row).items()}
    return options | _options(sources[name]) | KEYS_OF_DATA | own


def _options(row: Any) -> dict[str, Any]:
    annotations = annotations_of(row)
    return {option: annotations[option] for option in options_of(row) if option not in OF_THE_RUN}


def every_table() -> dict[str, Table]:
    """All tables that a configuration chooses from, by the last name of the key."""
    choosing = {key.rpartition(".")[2]: table for key, table in {**CHOICES, **SECTIONS}.items()}
    return {
        **choosing,
        "augmentation": AUGMENTATIONS,
        "metric": METRICS,
        "network": ROWS,
        "parameter group": GROUPS,
    }


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
