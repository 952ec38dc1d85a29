"""The keys of a run's configuration: their domains, defaults and units.

A key stands in one place. Keys of photographs stand in data/photographs.py, and the options of a
row in its signature: `python -m resnet_jax rows` lists them. In a configuration the options stand
with the row's name, as in `model.shortcut = {"name": "exclusive_gating", "gate_bias": -5.0}`, or
beside it where a section names the row: `optim.name = "adam"`, `optim.b2 = 0.99`.

The names of domains are those of tables/domains.py. `python -m resnet_jax keys` lists all of this.
"""

from dataclasses import dataclass
from typing import Annotated

from ml_collections import ConfigDict
from ml_collections.config_dict import FieldReference

from resnet_jax.data.changes.policies import POLICIES
from resnet_jax.data.sources.catalogue import SOURCES
from resnet_jax.models.activation import ACTIVATIONS
from resnet_jax.models.arrangements import ARRANGEMENTS
from resnet_jax.models.attention import ATTENTIONS
from resnet_jax.models.branches import BRANCHES
from resnet_jax.models.building import FAMILIES
from resnet_jax.models.heads import HEADS
from resnet_jax.models.kernels import KERNEL_INITS
from resnet_jax.models.layers import DTYPES
from resnet_jax.models.norms import NORMS
from resnet_jax.models.pooling import ANTIALIASING, STEM_POOLS
from resnet_jax.models.resnet import REMATS
from resnet_jax.models.shortcuts import SHORTCUTS
from resnet_jax.models.stems import STEMS
from resnet_jax.models.transitions import TRANSITIONS
from resnet_jax.tables import Choice, annotations_of, domains, options_of
from resnet_jax.tables.constraints import Among, Interval
from resnet_jax.tables.domains import (
    BelowOne,
    Count,
    NonNegative,
    Positive,
    PositiveInt,
    Probability,
    Seed,
    Share,
)
from resnet_jax.training.decay import DECAY_RULES
from resnet_jax.training.lookahead import LOOKAHEADS
from resnet_jax.training.losses import LOSSES
from resnet_jax.training.metrics import METRICS
from resnet_jax.training.optim import OPTIMIZERS
from resnet_jax.training.optimizers.gradients import ASCENTS, CLIPS
from resnet_jax.training.optimizers.groups import GROUPS
from resnet_jax.training.schedules import SHAPES, WARMUPS

Depth = Annotated[int, Interval(1, 10_000)]
Width = Annotated[int, Interval(1, 2**16)]
Stride = Annotated[int, Interval(1, 2)]
Factor = Annotated[float, Interval(0, 1_000, above=True)]
Deviation = Annotated[float, Interval(1e-4, 1)]
Batch = Annotated[int, Interval(1, 2**20)]
Calls = Annotated[int, Interval(1, 10_000)]
# a of Beta(a, a), or 0 for none at all; much smaller ones can't be drawn from in float32.
Off = Annotated[float, Interval(0, 0)]
Concentration = Annotated[float, Interval(1e-3)]


@dataclass(frozen=True)
class Run:
    """The keys outside of all sections."""

    seed: Seed = 0  # of initial parameters, data order and every random choice in a step


@dataclass(frozen=True)
class Model:
    """The network."""

    family: Annotated[Choice, FAMILIES] = "cifar"  # 3x3 stem and three stages, or 7x7 and four
    depth: Depth = 20  # layers with weights, counted as the papers do
    stage_depths: tuple[Depth, ...] = ()  # blocks in each stage, in place of depth
    widths: tuple[Width, ...] = ()  # of each stage; (): the family's, 16-32-64 or 64-128-256-512
    first_stride: Stride = 1  # of the first stage; 2 in RegNets, whose stems have no pool
    widening: Width | None = None  # features that all blocks add to the stem's, in place of widths
    width_factor: Factor = 1.0  # multiplies the stages' widths
    stem: Annotated[Choice, STEMS] | None = None  # None is the family's
    stem_pool: Annotated[Choice, STEM_POOLS] | None = None  # None is the family's
    stem_width: Width | None = None  # None is the family's
    branch: Annotated[Choice, BRANCHES] | None = None  # None: by family and depth
    stage_branches: tuple[Annotated[Choice, BRANCHES], ...] = ()  # one a stage, in place of branch
    head_width: Width | None = None  # of a 1x1 convolution before the head; None: there is none
    arrangement: Annotated[Choice, ARRANGEMENTS] = "original"  # order of a block's layers
    shortcut: Annotated[Choice, SHORTCUTS] = "B"  # what a branch is added to
    transition: Annotated[Choice, TRANSITIONS] = "block"  # what gives a stage its shape
    head: Annotated[Choice, HEADS] = "mean"  # from the last stage's image to the logits
    activation: Annotated[Choice, ACTIVATIONS] = "relu"  # of stem and blocks
    activate_stem: bool = False  # pre-activated: activate before the stem's pool, not behind it
    activate_identity: bool = True  # a pre-activated stage opens with activated x as identity
    attention: Annotated[Choice, ATTENTIONS] = "none"  # weights a branch's channels
    antialias: Annotated[Choice, ANTIALIASING] = "none"  # carries a branch's strides
    kernel_init: Annotated[Choice, KERNEL_INITS] = "he_fan_out"  # initial kernels of convolutions
    zero_init_branch: bool = False  # whether each block starts as its shortcut
    branch_gain: float | None = None  # initial learned factor of each branch; None: no factor
    dropout: BelowOne = 0.0  # rate, directly before every convolution of a branch but its first
    drop_whole_batch: bool = False  # survival is drawn once a batch, not for each example
    survival: Share = 1.0  # probability of the last block, falling from 1: stochastic depth
    conv_bias: bool = False  # convolutions have a bias beside the norm
    weight_epsilon: Positive | None = None  # of standardised kernels' variance; None: plain ones
    weight_gain: Positive | None = None  # of standardised kernels: deviation times root of inputs
    scan_blocks: bool = False  # equal blocks of a stage as one scan: for hundreds of layers
    remat: Annotated[Choice, REMATS] = "none"  # what the backward pass computes again
    dtype: Annotated[Choice, DTYPES] = "float32"  # of activations; float64 is for everything


@dataclass(frozen=True)
class Norm:
    """The norms of the network, with the options of the row."""

    name: Annotated[str, NORMS] = "batch"  # a row of models.norms


@dataclass(frozen=True)
class Init:
    """What a run starts from."""

    weights: str | None = None  # file or hf://OWNER/NAME; a head of other classes is replaced
    run: str | None = None  # folder of a run whose whole training state is gone on from
    whitening_images: PositiveInt = 5_000  # first ones, whose patches stem=whitening is made of
    whitening_epsilon: Positive = 5e-4  # added to the eigenvalues of these patches


@dataclass(frozen=True)
class Finetune:
    """Which parts of the network learn."""

    frozen_parts: Count = 0  # of stem and stages, so many do not learn; stages + 1: all
    rate_decay: Share = 1.0  # factor of the learning rate for each part further from the head


@dataclass(frozen=True)
class Data:
    """The examples.

    The section also takes the options of the source, the keys of data.photographs for reading its
    images, and the rows of data.changes.augment, as data.pad=4 or data.flip=True; data.augment
    names rows of a user's own.
    """

    source: Annotated[Choice, SOURCES] = "tfds"  # where they come from
    train_split: str = "train"  # tfds: slices too, train[:20000]; folder: a folder in data.dir
    eval_split: str = "test"  # the same, of the test set
    mean: tuple[Probability, ...] = (0.5,)  # of each channel or all, on the scale of [0, 1]
    std: tuple[Deviation, ...] = (0.25,)  # the same
    policy: Annotated[Choice, POLICIES] | None = None  # changes of photographs; None: none
    repeats: PositiveInt = 1  # training repeats each example so often, augmented anew


@dataclass(frozen=True)
class Mesh:
    """The devices that share the work."""

    data: PositiveInt | None = None  # devices that a batch is split over; None: all
    model: PositiveInt = 1  # devices that large kernels' output features are split over
    shard_state: bool = False  # split parameters, optimizer's memory and averages over mesh.data


@dataclass(frozen=True)
class Train:
    """The updates."""

    batch_size: Batch = 128  # examples in one update, over all devices
    epochs: Positive = 10.0  # passes over the training set
    steps: PositiveInt | None = None  # updates, in place of epochs
    accumulate: PositiveInt = 1  # micro-batches that a batch is computed in, one after another
    steps_per_call: Calls = 1  # updates in one compiled call
    deterministic: bool = True  # the same bits in equal runs, on a GPU too
    onednn: bool = False  # use oneDNN's convolutions on one x86 CPU; compiles at each start
    loss: Annotated[Choice, LOSSES] = "cross_entropy"  # what the updates make small
    label_smoothing: BelowOne = 0.0  # share of the target that is uniform
    ema_decay: BelowOne | None = None  # of the averaged weights that are evaluated; None: off


@dataclass(frozen=True)
class Mixing:
    """Mixup and CutMix."""

    mixup: Off | Concentration = 0.0  # a of the Beta(a, a) of the first image's weight; 0: off
    cutmix: Off | Concentration = 0.0  # a of the Beta(a, a) of the first image's area; 0: off
    switch: Probability = 0.5  # probability of CutMix where both are on
    probability: Probability = 1.0  # probability that a batch is mixed
    per_example: bool = False  # draw for each example, not once for a batch


@dataclass(frozen=True)
class Optim:
    """The optimizer, with the options of the row."""

    name: Annotated[str, OPTIMIZERS] = "sgd"  # a row of training.optim
    rate: NonNegative = 0.1  # peak learning rate
    weight_decay: NonNegative = 1e-4  # of an L2 penalty, or decoupled, as the row has it
    decay_rule: Annotated[str, Among(DECAY_RULES)] = "all"  # which parameters decay
    clip_norm: Positive | None = None  # largest global norm of the gradient
    clip: Annotated[Choice, CLIPS] | None = None  # of single units' gradients; None: off
    ascent: Annotated[Choice, ASCENTS] | None = None  # where gradients are taken; None: at w
    groups: tuple[Annotated[Choice, GROUPS], ...] = ()  # with a rate and decay of their own
    lookahead: Annotated[Choice, LOOKAHEADS] | None = None  # slow weights; None: off


@dataclass(frozen=True)
class Schedule:
    """The learning rate in the course of a run, with the options of the row."""

    name: Annotated[str, SHAPES] = "cosine"  # a row of training.schedules
    warmup_epochs: NonNegative = 0.0  # passes before the shape begins
    warmup: Annotated[str, Among(WARMUPS)] = "gradual"  # how the rate behaves in them
    warmup_start: Probability = 0.0  # share of the peak at step 0


@dataclass(frozen=True)
class Eval:
    """The evaluation."""

    batch_size: Batch = 1_000  # examples
    every_epochs: NonNegative = 1.0  # 0: at the end only
    patience: PositiveInt | None = None  # evaluations without a better top-1 that end it; None: off
    target_top1: Probability | None = None  # test top-1 that the run's page times; None: none
    average_logits: bool = False  # of an image's views, and not their probabilities
    metrics: tuple[Annotated[Choice, METRICS], ...] = ()  # a user's own, as ("my_rows.py:top3",)
    recalibration_steps: Count = 0  # training batches that give new batch statistics; 0: none


@dataclass(frozen=True)
class Checkpoint:
    """What is saved."""

    every_epochs: NonNegative = 1.0  # 0: at the end only
    keep: PositiveInt = 2  # number of newest checkpoints
    keep_best: Count = 1  # number of those with the best evaluation top-1, beside them


@dataclass(frozen=True)
class Report:
    """What is written beside the checkpoints."""

    every_steps: Count = 50  # between two lines of metrics.jsonl; 0: at evaluations only
    profile: str | None = None  # START:STOP, steps to trace into profile/; None: off
    page: bool = True  # report.html at the end: curves, mistakes, costs, gradients
    tensorboard: bool = True  # curves for TensorBoard
    wandb: bool = False  # curves for Weights & Biases
    project: str = "resnet_jax"  # name of the project in W&B


# By their names in a configuration; '' is its top.
RECORDS: dict[str, type] = {
    "": Run,
    "model": Model,
    "norm": Norm,
    "init": Init,
    "finetune": Finetune,
    "data": Data,
    "mesh": Mesh,
    "train": Train,
    "mixing": Mixing,
    "optim": Optim,
    "schedule": Schedule,
    "eval": Eval,
    "checkpoint": Checkpoint,
    "report": Report,
}

# Sections that take the options of rows, which the rows check.
OPEN = ("norm", "data", "optim", "schedule")


def default() -> ConfigDict:
    """Returns the configuration in which every key has its default."""
    config = ConfigDict()
    for name, record in RECORDS.items():
        if name:
            config[name] = ConfigDict()
        (config[name] if name else config).update(_fields(record))
    return lock(config)


def lock(config: ConfigDict) -> ConfigDict:
    """Refuses new keys, except in the sections that take the options of rows."""
    config.lock()
    for section in OPEN:
        config[section].unlock()
    return config


def _fields(record: type) -> dict[str, FieldReference]:
    """The keys of a section: a file may give each another value of its type, or None."""
    annotations = annotations_of(record)
    return {
        key: FieldReference(value, field_type=domains.kind_of(annotations[key]))
        for key, value in options_of(record).items()
    }
