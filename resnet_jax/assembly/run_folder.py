"""The folder of a run: its configuration, what it knows of its data, and the files of its rows.

`config.json` has every key, `data.json` the names of the classes in the order of their labels, the
shape of the images and the number of training images. A user's files of rows, and what
they import of the user's, are copied into `rows/` (see stored_rows). A stored file is run only
where the user trusts it or names it, since a folder may come from someone else.
"""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from etils import epath
from ml_collections import ConfigDict

from resnet_jax.assembly.identity import DataFacts, Identity, changes
from resnet_jax.assembly.keys import facts, mapped, of_state
from resnet_jax.assembly.older_runs import upgraded
from resnet_jax.assembly.sections import OPEN, RECORDS, lock
from resnet_jax.assembly.stored_rows import check_rows, store_rows, stored_row
from resnet_jax.reporting.files import clear_drafts, read_object, replace
from resnet_jax.tables import UserError
from resnet_jax.training import parallel
from resnet_jax.training.record import newest_records, steps_in

CONFIG, DATA, CHECKPOINTS = "config.json", "data.json", "checkpoints"
# The sections of config.json that every version has written.
REQUIRED = sorted({*OPEN, "model", "norm", "train"})


class OtherRun(UserError):
    """A folder holds a run of another configuration.

    Attributes:
      fits: whether its training state has the arrays of this configuration's.
    """

    def __init__(self, sentence: str, fits: bool):
        super().__init__(sentence)
        self.fits = fits


def load(workdir: Path, *, trust_rows: bool = False) -> ConfigDict:
    """Returns the configuration of the run in `workdir`.

    Args:
      trust_rows: whether stored files of rows may run.

    Raises:
      UserError: there is no run, or it has rows of its own that are not trusted.
    """
    path = workdir / CONFIG
    if not path.is_file():
        raise UserError(
            f"{workdir} holds no run (no {path.name}): give --workdir the folder that"
            " `python -m resnet_jax.main` wrote"
        )

    def stored(name: str) -> str:
        row = stored_row(workdir, name)
        if not trust_rows:
            file = row.rpartition(":")[0]
            raise UserError(
                f"the run uses '{name}', and {file} would be run to have it: read that file, and"
                " those beside it that it imports, then say --trust_rows"
            )
        return row

    values = mapped(_with_tuples(_read(path)), stored)
    return lock(ConfigDict(values))


def _read(path: Path) -> dict[str, Any]:
    cure = (
        "put a copy of it back, or train the run again with its command, which goes on from its"
        " checkpoint and writes the file anew"
    )
    values = read_object(path, cure)
    nested = {name for name, value in values.items() if isinstance(value, dict)}
    missing = [name for name in REQUIRED if name not in nested]
    odd = [name for name in RECORDS if name and name in values and name not in nested]
    if missing or odd:
        raise UserError(f"{path} is damaged (it has no section {(missing + odd)[0]}): {cure}")
    return upgraded(values)


def _with_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def known(workdir: Path) -> DataFacts | None:
    """What the run in `workdir` knows of its data.

    None where it has no checkpoint, or was begun before runs knew their data.
    """
    if not steps_of(workdir):
        return None
    try:
        return DataFacts.of_json(json.loads((workdir / DATA).read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        identity = _of_a_checkpoint(workdir)
        return None if identity is None else identity.data


def identity(workdir: Path, config: ConfigDict) -> Identity:
    """The identity of the run in `workdir`.

    Args:
      config: of the run, as `load` returned it.
    """
    return Identity(facts(config), known(workdir))


def steps_of(workdir: Path) -> list[int]:
    """Steps of the run's checkpoints, oldest first."""
    return steps_in(epath.Path(workdir / CHECKPOINTS))


def _of_a_checkpoint(workdir: Path) -> Identity | None:
    """The identity that the newest whole checkpoint holds; None where none holds one."""
    for record in newest_records(workdir / CHECKPOINTS):
        if record.run is not None:
            return Identity.of_json(record.run)
    return None


def begun(workdir: Path, config: ConfigDict) -> DataFacts | None:
    """What the run in `workdir` knows of its data; None for a new run.

    A run without a checkpoint has nothing to lose, so another one may take its place.

    Raises:
      UserError: the workdir holds a run of another configuration.
    """
    if not steps_of(workdir):
        return None
    check_rows(workdir, config)
    before, now = facts_before(workdir), facts(config)
    if changed := changes(before, now):
        raise OtherRun(
            f"{workdir} holds a run of another configuration ({'; '.join(changed)}): give another"
            " --workdir, or start with the old values to continue that run",
            fits=not changes(of_state(before), of_state(now)),
        )
    return known(workdir)


def facts_before(workdir: Path) -> Mapping[str, Any]:
    """The facts of the configuration that the run was begun with."""
    path = workdir / CONFIG
    stored = partial(stored_row, workdir)
    damage = None
    try:
        if path.exists():
            return facts(ConfigDict(mapped(_with_tuples(_read(path)), stored)))
    except UserError as error:
        # The checkpoint knows it too, and what is right is written again.
        damage = error
    found = _of_a_checkpoint(workdir)
    if found is None and damage:
        raise damage
    if found is None:
        raise UserError(
            f"{workdir} holds checkpoints and no {CONFIG}, so nothing says which run they are of:"
            f" put its {CONFIG} back, or give another --workdir"
        )
    return found.config


def claim(workdir: Path, config: ConfigDict, data: DataFacts) -> None:
    """Writes config.json, data.json and the files of rows; checks that no other run is there.

    Every process of the run calls this, and the first one writes.

    Raises:
      UserError: the workdir holds another run, or one of other images, or can't be written.
    """
    before = begun(workdir, config)
    if before is not None and before.examples != data.examples:
        raise UserError(
            f"the training set has {data.examples:,} images and had {before.examples:,} when the"
            f" run in {workdir} began: put the same images there again, or give another --workdir"
        )
    problem = ""
    if parallel.is_first_process():
        try:
            clear_drafts(workdir)
            store_rows(workdir, config)
            replace(workdir / CONFIG, _as_text(json.loads(config.to_json())))
            replace(workdir / DATA, _as_text(data.as_json()))
        except OSError as error:
            problem = error.strerror or str(error)
    if not parallel.holds_everywhere(not problem):
        raise UserError(f"can't write into {workdir} ({problem}): give another --workdir")


def _as_text(values: Any) -> str:
    return json.dumps(values, indent=2, sort_keys=True) + "\n"
