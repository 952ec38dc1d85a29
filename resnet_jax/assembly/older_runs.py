"""The configuration of a run that an older version began, in the keys of today."""

from typing import Any

from resnet_jax.assembly.sections import OPEN, RECORDS
from resnet_jax.data.changes.augment import AUGMENTATIONS
from resnet_jax.models.building import with_defaults
from resnet_jax.tables import options_of, split

Values = dict[str, Any]

# Options that were keys of a section: where they stand now, and under which name.
OPTIONS = {
    **{("model", name): ("branch", name)
       for name in ("kernels", "pairs", "groups", "base_width", "first_reduction")},
    **{("model", name): ("shortcut", name)
       for name in ("layout", "projection_kernel", "shortcut_scale", "branch_scale", "gate_bias",
                    "shortcut_dropout")},
    ("model", "attention_reduction"): ("attention", "reduction"),
    ("data", "policy_operations"): ("policy", "operations"),
    ("data", "policy_magnitude"): ("policy", "magnitude"),
    ("train", "target_threshold"): ("loss", "target_threshold"),
}  # fmt: skip


def upgraded(config: Values) -> Values:
    """Returns the nested keys of a run's config.json as today's version writes them."""
    sections = {name: dict(value) if isinstance(value, dict) else value
                for name, value in config.items()}  # fmt: skip
    sections["model"].setdefault("weight_epsilon", sections["norm"].pop("weight_epsilon", None))
    # An option that was not given stood there as None.
    for section in OPEN:
        own = options_of(RECORDS[section])
        values = sections[section].items()
        sections[section] = {k: value for k, value in values if value is not None or k in own}
    # The default of a key that is newer than the run changes nothing.
    for section, record in RECORDS.items():
        found = sections.setdefault(section, {}) if section else sections
        for key, default in options_of(record).items():
            found.setdefault(key, default)
    for (section, old), (choice, option) in OPTIONS.items():
        value = sections[section].pop(old, None)
        if value is not None:
            values = sections[section]
            chosen = values[choice] or with_defaults(values)[choice]
            name, options = split(chosen)
            values[choice] = {"name": name, **options, option: value}
    # These stood there where they were off, too.
    sections["data"] = {
        key: value for key, value in sections["data"].items() if value or key not in AUGMENTATIONS
    }
    # What the platform decided once.
    for section, key, default in (("model", "scan_blocks", False), ("train", "steps_per_call", 1)):
        if sections[section][key] is None:
            sections[section][key] = default
    return sections
