"""Lists the keys of a configuration: python -m resnet_jax keys train.

Each has its default, what it is, and the values that are valid; without an argument all sections
are listed. `python -m resnet_jax rows` lists what keys choose by name.
"""

from typing import Any

from absl import flags

FLAGS = flags.FlagValues()


def main(section: str = "") -> dict[str, Any]:
    """Prints the keys, and returns their names with their defaults."""
    from resnet_jax.assembly.sections import RECORDS
    from resnet_jax.data.photographs import EvaluationViews, TrainingCrops
    from resnet_jax.tables import annotations_of, choose, domains, options_of

    records: dict[str, list[Any]] = {name: [record] for name, record in RECORDS.items()}
    records["data"] += [TrainingCrops, EvaluationViews]
    if section:
        records = {section: choose(records, section, "section")}
    found: dict[str, Any] = {}
    for name, parts in records.items():
        for part in parts:
            meanings, annotations = meanings_of(part), annotations_of(part)
            print(f"\n{(part.__doc__ or '').partition(chr(10))[0]}")
            for key, default in options_of(part).items():
                full = f"{name}.{key}".lstrip(".")
                print(f"  {full}={default!r}: {meanings[key]}")
                print(f"      {domains.words(annotations[key])}")
                found[full] = default
    return {"keys": found}


def meanings_of(record: type) -> dict[str, str]:
    """What each key is: the comment beside it, or its entry under 'Attributes:'."""
    import inspect
    import re

    comments = re.findall(r"^    (\w+): .*  # (.*)$", inspect.getsource(record), re.MULTILINE)
    entries = re.findall(r"^  (\w+): (.*(?:\n    .*)*)", inspect.getdoc(record) or "", re.MULTILINE)
    return {key: " ".join(text.split()) for key, text in [*entries, *comments]}
