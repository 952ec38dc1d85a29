"""Flags that several verbs share; each function here defines some of them for one verb."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from resnet_jax import runtime
from resnet_jax.tables import UserError

if TYPE_CHECKING:
    from ml_collections import ConfigDict

    from resnet_jax.assembly.restored import Restored

OVERRIDES = "config.KEY"
EXAMPLE = "for example cifar10:depth=110,shortcut=C or FILE.py"


class Configuration:
    """The flags --config=WHICH and any number of --config.KEY=VALUE.

    WHICH is NAME, of a configuration that comes with the package, or FILE.py; :CHANGES may follow.
    """

    def __init__(self, values: flags.FlagValues, help: str = f"Configuration, {EXAMPLE}."):
        self._file = flags.DEFINE_string("config", None, help, flag_values=values)
        self._overrides = flags.DEFINE_multi_string(
            OVERRIDES, [], "A new value of one key, for example --config.seed=1.",
            flag_values=values,
        )  # fmt: skip

    @property
    def text(self) -> str | None:
        """The value of --config."""
        return self._file.value

    @property
    def overrides(self) -> list[tuple[str, str]]:
        """Key and value of every override, as text, in the order given."""
        pairs = (item.partition("=") for item in self._overrides.value)
        return [(key, value) for key, _, value in pairs]

    def read(self, overrides: Sequence[tuple[str, str]] | None = None) -> "ConfigDict":
        """Returns the configuration; from now on JAX computes in its precision.

        Args:
          overrides: in place of those that were given.

        Raises:
          UserError: none is given, or it can't be read.
        """
        from resnet_jax.assembly import configuration

        if not self.text:
            raise UserError("no configuration: give --config=NAME or FILE.py, for example cifar10")
        given = self.overrides if overrides is None else overrides
        config = configuration.read(self.text, given)
        runtime.compute_in(config.model.dtype)
        return config


def with_overrides(values: flags.FlagValues, arguments: Sequence[str]) -> list[str]:
    """The arguments, with each --config.KEY=VALUE rewritten as a value of the flag OVERRIDES.

    Raises:
      UserError: one has no value.
    """
    if OVERRIDES not in values:
        return list(arguments)
    found: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            return [*found, argument, *rest]
        name, equals, value = argument.partition("=")
        if name.lstrip("-").startswith("config.") and name.startswith("-"):
            if not equals:
                if not rest or rest[0].startswith("--"):
                    raise UserError(f"{name} has no value: write {name}=VALUE")
                value = rest.pop(0)
            argument = f"--{OVERRIDES}={name.lstrip('-').removeprefix('config.')}={value}"
        found.append(argument)
    return found


def folder(text: str, flag: str) -> Path:
    """The folder that a flag names; '~' is the user's home.

    Raises:
      UserError: it is no path of this machine.
    """
    if "://" in text:
        raise UserError(
            f"{flag}={text} is no folder of this machine, where runs and results are written: give"
            " a local or mounted folder, and copy it there afterwards"
        )
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UserError(f"{flag}={text} names no home folder: give the whole path") from None


def define_peers(values: flags.FlagValues) -> None:
    """Defines the flags of a verb that several processes run together; see runtime.Peers."""
    flags.DEFINE_string(
        "coordinator", None, "HOST:PORT of process 0, where JAX finds no cluster of its own.",
        flag_values=values,
    )  # fmt: skip
    flags.DEFINE_integer(
        "processes", None, "Number of processes.", lower_bound=1, flag_values=values
    )
    flags.DEFINE_integer(
        "process",
        None,
        "Number of this process, counted from 0.",
        lower_bound=0,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "start_timeout", 300, "Seconds to wait for the other processes to start.", lower_bound=1,
        flag_values=values,
    )  # fmt: skip
    flags.DEFINE_integer(
        "peer_timeout", 100, "Seconds without a sign of life after which a process counts as lost.",
        lower_bound=1, flag_values=values,
    )  # fmt: skip


def peers_of(values: flags.FlagValues) -> runtime.Peers | None:
    """The values of those flags; None for a verb without them."""
    names = runtime.Peers._fields
    if names[0] not in values:
        return None
    return runtime.Peers(**{name: values[name].value for name in names})  # type: ignore[arg-type]


def define_seed(values: flags.FlagValues, help: str) -> "flags.FlagHolder[int]":
    """Defines --seed, whose values are those of a configuration's seed."""
    return flags.DEFINE_integer(
        "seed", 0, help, lower_bound=0, upper_bound=2**32 - 1, flag_values=values
    )


def define_trust(values: flags.FlagValues) -> "flags.FlagHolder[bool]":
    """Defines --trust_rows of a verb that opens a run; see run_folder.load."""
    return flags.DEFINE_bool(
        "trust_rows", False, "Run the files of rows that lie in the run's folder.",
        flag_values=values,
    )  # fmt: skip


def define_naming(values: flags.FlagValues) -> "flags.FlagHolder[str | None]":
    """Defines --naming of a verb that writes a file of weights; see weights.naming."""
    return flags.DEFINE_string(
        "naming", "timm",
        "Names of the tensors: timm, those of the file of timm that has such networks (for networks"
        " of torchvision these are torchvision's), or torchvision, akamaster, flax and others; an"
        " unknown one is answered with all.",
        flag_values=values,
    )  # fmt: skip


class Trained:
    """The flags of a verb that takes a trained network: a run's checkpoint or a file of weights."""

    def __init__(self, values: flags.FlagValues):
        self._workdir = flags.DEFINE_string(
            "workdir", None, "Folder of the run.", flag_values=values
        )
        self._step = flags.DEFINE_integer(
            "step", None, "Checkpoint of the run; by default the newest.", flag_values=values
        )
        self._best = flags.DEFINE_bool(
            "best", False, "Take the checkpoint with the highest test top-1.", flag_values=values
        )
        self._changes = flags.DEFINE_string(
            "changes", "",
            "New values of keys that only evaluation reads, as"
            " data.eval_size=256,data.eval_views=ten.",
            flag_values=values,
        )  # fmt: skip
        self._batch_size = flags.DEFINE_integer(
            "batch_size",
            None,
            "Examples in a batch, instead of the run's.",
            lower_bound=1,
            flag_values=values,
        )
        self._weights = flags.DEFINE_string(
            "weights",
            None,
            "File of weights, in place of a run's checkpoint, or hf://OWNER/REPOSITORY of the hub.",
            flag_values=values,
        )
        self._trust = define_trust(values)
        self.config = Configuration(
            values, "Configuration of the network whose weights --weights holds."
        )

    @property
    def workdir(self) -> Path | None:
        return folder(self._workdir.value, "--workdir") if self._workdir.value else None

    @property
    def trust_rows(self) -> bool:
        return bool(self._trust.value)

    @property
    def weights(self) -> str | None:
        """A path, or hf://OWNER/REPOSITORY."""
        return str(self._weights.value) if self._weights.value else None

    def load(self) -> "Restored":
        """Returns the network that the flags name.

        Raises:
          UserError: neither a run nor a configuration with weights, or it can't be read.
        """
        from resnet_jax.assembly import restored

        if self.weights is None:
            if self.workdir is None:
                raise UserError("give --workdir=RUN, or --config=FILE and --weights=FILE")
            if self.config.text is not None or self.config.overrides:
                raise UserError(
                    "--workdir's run has a configuration of its own: leave out --config, and give"
                    " --changes=KEY=VALUE for keys of evaluation"
                )
            return run(
                self.workdir,
                step=self._step.value,
                best=self._best.value,
                changes=self._changes.value,
                batch_size=self._batch_size.value,
                trust_rows=self.trust_rows,
            )
        if self.workdir is not None or self.config.text is None:
            raise UserError("--weights goes with --config=FILE, which describes the network")
        return restored.load_weights(self.config.read(), self.weights, self._batch_size.value)

    def load_or_start(self) -> "Restored":
        """As `load`; a configuration without weights gives the network before its first update."""
        from resnet_jax.assembly import restored

        if self.config.text is None or self.weights is not None or self.workdir is not None:
            return self.load()
        return restored.start(self.config.read())

    def checkpoints(self) -> dict[int, Callable[[], Any]]:
        """Variables of every checkpoint of --workdir; see restored.checkpoints."""
        from resnet_jax.assembly import restored

        if self.workdir is None:
            return {}
        return restored.checkpoints(self.workdir, self.trust_rows)

    def output_folder(self, name: str, out: str | None) -> Path:
        """The folder that a verb writes to: the one that the user names, or `name` in the run's.

        Raises:
          UserError: neither is given.
        """
        if out is not None:
            return folder(out, "--out")
        if self.workdir is None:
            raise UserError(
                "without --workdir there is no run's folder to write into: give --out=FOLDER"
            )
        return self.workdir / name


def run(workdir: Path, *, trust_rows: bool, **options: Any) -> "Restored":
    """Returns the network of a run; from now on JAX computes in its precision.

    Args:
      trust_rows, options: see restored.load.
    """
    from resnet_jax.assembly import restored, run_folder

    runtime.compute_in(run_folder.load(workdir, trust_rows=trust_rows).model.dtype)
    return restored.load(workdir, trust_rows=trust_rows, **options)
