"""The keys of a run's configuration, with their units, but for options and photographs' keys.

The other files change some of these keys. A row of a table is chosen by its name. Its options stand
with the name: `model.shortcut = {"name": "exclusive_gating", "gate_bias": -5.0}`, or beside it
where a section names the row: `optim.name = "adam"`, `optim.b2 = 0.99`. A row's signature states
its options and their defaults; `python -m resnet_jax rows` lists the rows.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import FieldReference, placeholder

from resnet_jax.assembly.keys import lock


def choice(name: str | None) -> FieldReference:
    """A key that holds a choice: a row's name, or a mapping of that `name` and options."""
    return FieldReference(name, field_type=object)


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0  # of initial parameters, data order and every random choice in a step

    config.model = model = ConfigDict()
    model.family = "cifar"  # cifar: 3x3 stem, three stages; imagenet: 7x7 stem and pool, four
    model.depth = 20  # layers with weights, counted as the papers do
    model.stage_depths = ()  # blocks in each stage, in place of depth
    model.widths = ()  # of each stage; (): the family's, 16-32-64 or 64-128-256-512
    model.width_factor = 1.0  # multiplies the stages' widths
    model.stem = choice(None)  # a row of models.stems; None is the family's
    model.stem_pool = choice(None)  # a row of models.pooling.STEM_POOLS; None is the family's
    model.stem_width = placeholder(int)  # None is the family's
    model.branch = choice(None)  # a row of models.branches; None: by family and depth
    model.stage_branches = ()  # one branch a stage, in place of branch
    model.arrangement = choice("original")  # a row of models.arrangements
    model.shortcut = choice("B")  # a row of models.shortcuts: A, B, C, D, none, ...
    model.activate_stem = False  # pre-activated: activate before the stem's pool, not behind it
    model.activate_identity = True  # a pre-activated stage opens with activated x as identity
    model.attention = choice("none")  # a row of models.attention
    model.antialias = choice("none")  # a row of models.pooling.ANTIALIASING, at strides
    model.kernel_init = choice("he_fan_out")  # a row of models.layers.KERNEL_INITS
    model.zero_init_branch = False  # whether each block starts as its shortcut
    model.branch_gain = placeholder(float)  # initial learned factor of each branch; None: no factor
    model.dropout = 0.0  # rate, directly before every convolution of a branch but its first
    model.drop_whole_batch = False  # survival is drawn once a batch, not for each example
    model.survival = 1.0  # probability of the last block, falling linearly from 1: stochastic depth
    model.weight_epsilon = placeholder(float)  # of standardised kernels' variance; None: plain ones
    model.scan_blocks = False  # equal blocks of a stage as one scan: for hundreds of layers
    model.remat = "none"  # none, block, stage: what the backward pass computes again
    model.dtype = "float32"  # of activations: float32, bfloat16, or float64 for everything

    config.norm = norm = ConfigDict()
    norm.name = "batch"  # a row of models.norms, with its options

    config.init = init = ConfigDict()
    init.weights = placeholder(str)  # file to start from; a head of other classes is replaced

    config.finetune = finetune = ConfigDict()
    finetune.frozen_parts = 0  # of stem and stages, so many do not learn; stages + 1: all
    finetune.rate_decay = 1.0  # factor of the learning rate for each part further from the head

    # The section also takes the options of the source, the keys of data.photographs for reading its
    # images, and the rows of data.changes.augment, as data.pad=4 or data.flip=True; data.augment
    # names rows of your own.
    config.data = data = ConfigDict()
    data.source = choice("tfds")  # a row of data.sources.catalogue
    data.train_split = "train"  # tfds: slices too, train[:20000]; folder: a folder in data.dir
    data.eval_split = "test"
    data.mean = (0.5,)  # of each channel, on the scale of [0, 1]
    data.std = (0.25,)
    data.policy = choice(None)  # for photographs: a row of data.changes.policies; None: none
    data.repeats = 1  # training repeats each example so often, augmented anew

    config.mesh = mesh = ConfigDict()
    mesh.data = placeholder(int)  # devices that a batch is split over; None: all
    mesh.model = 1  # devices that large kernels' output features are split over
    mesh.shard_state = False  # split parameters, optimizer's memory and averages over mesh.data

    config.train = train = ConfigDict()
    train.batch_size = 128  # examples in one update, over all devices
    train.epochs = 10.0  # passes over the training set
    train.steps = placeholder(int)  # updates, in place of epochs
    train.accumulate = 1  # micro-batches that a batch is computed in, one after another
    train.steps_per_call = 1  # updates in one compiled call
    train.deterministic = True  # the same bits in equal runs, on a GPU too
    train.onednn = False  # use oneDNN's convolutions on one x86 CPU; compiles at each start
    train.loss = choice("cross_entropy")  # a row of training.losses
    train.label_smoothing = 0.0  # share of the target that is uniform
    train.ema_decay = placeholder(float)  # of the averaged weights that are evaluated; None: off

    config.mixing = mixing = ConfigDict()
    mixing.mixup = 0.0  # a of the Beta(a, a) of the first image's weight; 0: off
    mixing.cutmix = 0.0  # a of the Beta(a, a) of the first image's area; 0: off
    mixing.switch = 0.5  # probability of CutMix where both are on
    mixing.probability = 1.0  # probability that a batch is mixed
    mixing.per_example = False  # draw for each example, not once for a batch

    config.optim = optim = ConfigDict()
    optim.name = "sgd"  # a row of training.optim, with its options
    optim.rate = 0.1  # peak learning rate
    optim.weight_decay = 1e-4
    optim.decay_rule = "all"  # which parameters decay: a row of training.decay
    optim.clip_norm = placeholder(float)  # largest global norm of the gradient

    config.schedule = schedule = ConfigDict()
    schedule.name = "cosine"  # a row of training.schedules, with its options
    schedule.warmup_epochs = 0.0
    schedule.warmup = "gradual"  # gradual, constant
    schedule.warmup_start = 0.0  # share of the peak at step 0

    config.eval = evaluation = ConfigDict()
    evaluation.batch_size = 1_000  # examples
    evaluation.every_epochs = 1.0  # 0: at the end only
    evaluation.average_logits = False  # of an image's views, and not their probabilities
    evaluation.metrics = ()  # your own, beside training.metrics.METRICS: ("my_rows.py:top3",)
    evaluation.recalibration_steps = 0  # training batches that give new batch statistics; 0: none

    config.checkpoint = checkpoint = ConfigDict()
    checkpoint.every_epochs = 1.0  # 0: at the end only
    checkpoint.keep = 2  # number of newest checkpoints
    checkpoint.keep_best = 1  # number of best ones by evaluation top-1, beside them

    config.report = report = ConfigDict()
    report.every_steps = 50  # between two lines of metrics.jsonl; 0: at evaluations only
    report.profile = placeholder(str)  # START:STOP, steps to trace into profile/; None: off
    report.page = True  # report.html at the end: curves, mistakes, costs, gradients
    report.tensorboard = True
    report.wandb = False
    report.project = "resnet_jax"  # name of the project in W&B
    return lock(config)
