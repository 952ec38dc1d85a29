"""Every key of a run's configuration, with its unit; the other files change some of them.

A key that is None leaves the choice to the row that it belongs to: `schedule.power=None` is what
resnet_jax.training.schedules.polynomial has in its signature, and setting it with a schedule that
has no power is an error.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0  # of initial parameters, data order and every random choice in a step

    config.model = model = ConfigDict()
    model.family = "cifar"  # cifar: 3x3 stem, three stages; imagenet: 7x7 stem and pool, four
    model.depth = 20  # layers with weights, counted as the papers do
    model.stage_depths = ()  # blocks in each stage, in place of depth
    model.widths = ()  # of each stage; () is the family's, 16-32-64 or 64-128-256-512
    model.width_factor = 1.0  # multiplies the stages' widths
    model.stem = placeholder(str)  # a row of models.stems.STEMS; None is the family's
    model.stem_pool = placeholder(str)  # a row of models.pooling.STEM_POOLS; None is the family's
    model.stem_width = placeholder(int)  # None is the family's
    model.branch = placeholder(str)  # basic, bottleneck, bottleneck_v1, wide, deep; None by depth
    model.stage_branches = ()  # one branch a stage, in place of branch
    model.groups = placeholder(int)  # of branch bottleneck: of its 3x3, ResNeXt's cardinality
    model.base_width = placeholder(int)  # of branch bottleneck: a group's channels at width 64
    model.first_reduction = placeholder(int)  # of branch bottleneck: divides its first 1x1
    model.kernels = placeholder(tuple)  # of branch wide: kernel sizes, M in B(M)
    model.pairs = placeholder(int)  # of branch deep: residual pairs in one block
    model.arrangement = "original"  # a row of models.residual.ARRANGEMENTS
    model.shortcut = "B"  # a row of models.shortcuts.SHORTCUTS: A, B, C, D, none, ...
    model.layout = placeholder(str)  # of shortcut A: new channels stand after, or on both_sides
    model.projection_kernel = placeholder(int)  # of shortcut B: where it carries a stride
    model.activate_identity = True  # an identity that opens a pre-activated stage is activated x
    model.attention = "none"  # none, squeeze_excitation, efficient
    model.attention_reduction = placeholder(float)  # of squeeze_excitation: share of channels
    model.antialias = "none"  # what carries the strides of branches: none, average, blur
    model.shortcut_scale = placeholder(float)  # of shortcut constant_scaling
    model.branch_scale = placeholder(float)  # of shortcut constant_scaling
    model.gate_bias = placeholder(float)  # initial, of the gated shortcuts
    model.shortcut_dropout = placeholder(float)  # rate, of shortcut dropout
    model.kernel_init = "he_fan_out"  # he_fan_out, he_fan_in, pytorch
    model.zero_init_branch = False  # blocks start as their shortcut
    model.branch_gain = placeholder(float)  # start of a learned factor of each branch; None: none
    model.dropout = 0.0  # rate, before every convolution of a branch but its first
    model.survival = 1.0  # probability of the last block, falling linearly from 1: stochastic depth
    model.scan_blocks = placeholder(bool)  # equal blocks as one scan; None: not on CPU
    model.remat = "none"  # none, block, stage: computed again in the backward pass, not kept
    model.dtype = "float32"  # of activations: float32, bfloat16, or float64 for everything

    config.norm = norm = ConfigDict()
    norm.name = "batch"  # batch, group, evo, filter_response, fixup, none
    norm.group_size = placeholder(int)  # of batch: examples that share statistics; None is all
    norm.momentum = placeholder(float)  # of batch: weight of the old running average
    norm.epsilon = placeholder(float)  # added to the variance
    norm.channel_groups = placeholder(int)  # of group, evo
    norm.weight_epsilon = placeholder(float)  # standardise kernels, added to their variance

    config.init = init = ConfigDict()
    init.weights = placeholder(str)  # file that a run starts from; another head is replaced

    config.finetune = finetune = ConfigDict()
    finetune.frozen_parts = 0  # stem and stages that do not learn; stages + 1: all but the head
    finetune.rate_decay = 1.0  # factor of the learning rate for each part further from the head

    config.data = data = ConfigDict()
    data.source = "tfds"  # tfds, folder, prepared, digits, synthetic
    data.name = placeholder(str)  # of folder, prepared, tfds: the data set
    data.dir = placeholder(str)  # where sets lie; None is TFDS_DATA_DIR, for tfds
    data.train_split = "train"  # tfds slices too: train[:20000]; of folder: a folder in data.dir
    data.eval_split = "test"
    data.image_size = placeholder(int)  # of synthetic and of photographs: pixels of a side
    data.classes = placeholder(int)  # of synthetic
    data.examples = placeholder(int)  # of synthetic: in each split
    data.mean = (0.5,)  # of each channel, on the scale of [0, 1]
    data.std = (0.25,)
    data.pad = 0  # pixels on each side, for a random crop
    data.flip = False  # mirror left and right at random
    data.cutout = 0  # side of the erased square, pixels
    data.erase = 0.0  # probability that a random rectangle of an image is erased
    data.crop_area = placeholder(tuple)  # of photographs: least and most share of a training crop
    data.crop_aspect = placeholder(tuple)  # of photographs: its least and most width / height
    data.short_side = placeholder(tuple)  # of photographs, for crop_area: least, most; pixels
    data.policy = placeholder(str)  # of photographs: a row of data.policies.POLICIES
    data.policy_operations = placeholder(int)  # of rand_augment: in a row
    data.policy_magnitude = placeholder(int)  # of rand_augment: 0 to 30
    data.jitter = placeholder(tuple)  # of photographs: brightness, contrast, saturation, hue
    data.eval_size = placeholder(int)  # of photographs: pixels of a side; None is image_size
    data.crop_ratio = placeholder(float)  # of photographs: eval_size / short side of the image
    data.interpolation = placeholder(str)  # of photographs, in evaluation: bilinear, bicubic
    data.first_size = placeholder(int)  # of photographs that grow: pixels of a side at first
    data.growth = placeholder(tuple)  # of photographs that grow: from, until; fractions of the run
    data.eval_views = placeholder(str)  # of photographs: centre, mirrored, ten
    data.eval_scales = placeholder(tuple)  # of photographs: short sides, pixels, for crop_ratio
    data.repeats = 1  # times that training meets an example in a row, each augmented anew
    data.workers = placeholder(int)  # of photographs: processes that decode; None is one a core

    config.mesh = mesh = ConfigDict()
    mesh.data = placeholder(int)  # devices that a batch is split over; None: all
    mesh.model = 1  # devices that large kernels' output features are split over
    mesh.shard_state = False  # split parameters, optimizer's memory and averages over mesh.data

    config.train = train = ConfigDict()
    train.batch_size = 128  # examples in one update, over all devices
    train.epochs = 10.0  # passes over the training set
    train.steps = placeholder(int)  # updates, in place of epochs
    train.accumulate = 1  # parts that a batch is computed in, one after another
    train.steps_per_call = placeholder(int)  # updates in one compiled call; None: 1 on CPU, else 16
    train.onednn = False  # on one x86 CPU: its convolutions; compiled anew whenever a run starts
    train.loss = "cross_entropy"  # cross_entropy, binary_cross_entropy
    train.target_threshold = placeholder(float)  # of binary_cross_entropy: targets above it are 1
    train.label_smoothing = 0.0  # share of the target that is uniform
    train.ema_decay = placeholder(float)  # of the averaged weights that are evaluated; None is off

    config.mixing = mixing = ConfigDict()
    mixing.mixup = 0.0  # a of the Beta(a, a) of the first image's weight; 0: off
    mixing.cutmix = 0.0  # a of the Beta(a, a) of the first image's area; 0: off
    mixing.switch = 0.5  # probability of CutMix where both are on
    mixing.probability = 1.0  # that anything is mixed
    mixing.per_example = False  # draw for each example, not once for a batch

    config.optim = optim = ConfigDict()
    optim.name = "sgd"  # sgd, nesterov, adam, adamw, lars, lamb, muon
    optim.rate = 0.1  # peak learning rate
    optim.weight_decay = 1e-4
    optim.decay_rule = "all"  # all, or kernels alone
    optim.clip_norm = placeholder(float)  # largest global norm of the gradient
    optim.momentum = placeholder(float)  # of sgd, nesterov, lars, muon
    optim.b1 = placeholder(float)  # of adam, adamw, lamb, muon
    optim.b2 = placeholder(float)  # of adam, adamw, lamb, muon
    optim.eps = placeholder(float)  # of adam, adamw, lamb, muon
    optim.trust = placeholder(float)  # of lars
    optim.adapt_all = placeholder(bool)  # of lamb: trust ratios also of what does not decay

    config.schedule = schedule = ConfigDict()
    schedule.name = "cosine"  # constant, step, cosine, one_cycle, polynomial
    schedule.warmup_epochs = 0.0
    schedule.warmup = "gradual"  # gradual, constant
    schedule.warmup_start = 0.0  # share of the peak at step 0
    schedule.decay_at = placeholder(tuple)  # of step: fractions of the run
    schedule.decay_factor = placeholder(float)  # of step
    schedule.power = placeholder(float)  # of polynomial
    schedule.final = placeholder(float)  # of cosine, polynomial, one_cycle: share at the end
    schedule.rise = placeholder(float)  # of one_cycle: fraction of the run
    schedule.start = placeholder(float)  # of one_cycle: share at the start

    config.eval = evaluation = ConfigDict()
    evaluation.batch_size = 1_000  # examples
    evaluation.every_epochs = 1.0  # 0: at the end only
    evaluation.recalibration_steps = 0  # training batches that give new batch statistics; 0: none

    config.checkpoint = checkpoint = ConfigDict()
    checkpoint.every_epochs = 1.0  # 0: at the end only
    checkpoint.keep = 2  # newest
    checkpoint.keep_best = 1  # by evaluation top-1, beside them

    config.report = report = ConfigDict()
    report.every_steps = 50  # between two lines of metrics.jsonl; 0: only where one evaluates
    report.profile = placeholder(str)  # START:STOP, steps whose trace goes to profile/; None is off
    report.page = True  # report.html at the end: curves, mistakes, costs, gradients
    report.tensorboard = True
    report.wandb = False
    report.project = "resnet_jax"  # W&B's
    return config.lock()
