"""Rows of experiments/ against the tables of the papers that their figures come from."""

import math

import jax
import jax.numpy as jnp
import pytest
from command_line import ROOT

from resnet_jax.assembly import Assembly, configuration
from resnet_jax.sweeps import experiment


def paper(name):
    """The configuration of each row of an experiment's paper scale, by the row's name."""
    tasks = experiment.tasks(experiment.load(ROOT / "experiments" / name), "paper", 1)
    return {task.row.name: task for task in tasks}


def parameters(task):
    """Counted with scanned blocks, which are traced once."""
    config = configuration.read(experiment.extend(task.config, "model.scan_blocks=True"))
    images = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    model = Assembly(config).model
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(variables["params"]))


@pytest.mark.parametrize(
    ("row", "millions", "error"),
    [
        ("B(1,3,1)", 1.4, 6.06),
        ("B(3,1)", 1.2, 5.78),
        ("B(1,3)", 1.3, 6.42),
        ("B(3,1,1)", 1.3, 5.86),
        ("B(3,3)", 1.5, 5.73),
        ("B(3,1,3)", 1.1, 5.78),
    ],
)
def test_blocks_of_wide_residual_networks(row, millions, error):
    """arXiv 1605.07146, Table 2."""
    task = paper("block")[row]
    assert round(parameters(task) / 1e6, 1) == millions
    assert task.row.published == error


def test_wide_residual_networks_learn_as_in_their_code():
    """train.lua (SGD on all parameters together) and MSRinit of models/utils.lua (fan-in)."""
    for task in paper("block").values():
        config = configuration.read(task.config)
        assert (config.optim.decay_rule, config.model.kernel_init) == ("all", "he_fan_in")


def rate_at(task, *steps):
    """The learning rate of these updates, with CIFAR-10's 50,000 examples."""
    assembly = Assembly(configuration.read(task.config), examples=50_000)
    return [assembly.numbers.rate * float(assembly.schedule(step)) for step in steps]


@pytest.mark.parametrize("name", ["arrangement", "shortcut"])
def test_identity_mappings_warms_all_runs_on_cifar_up(name):
    """arXiv 1603.05027, appendix: 0.01 for 400 updates, then 0.1, a tenth at 32,000 and 48,000."""
    for task in paper(name).values():
        found = rate_at(task, 0, 399, 400, 31_999, 32_000, 48_000)
        assert found == pytest.approx([0.01, 0.01, 0.1, 0.1, 0.01, 0.001], rel=1e-5)


def test_papers_that_publish_medians_are_compared_by_them():
    """arXiv 1603.05027, section 3.1; arXiv 1605.07146, Tables 2, 5 and 6."""
    by_median = {
        folder.parent.name
        for folder in (ROOT / "experiments").glob("*/sweep.py")
        if experiment.load(folder.parent).published_is == "median"
    }
    assert by_median == {"arrangement", "block", "shortcut"}


def test_cifar_100_is_warmed_up_like_cifar_10():
    assembly = Assembly(configuration.read("configs/cifar100.py"), examples=50_000)
    rates = [assembly.numbers.rate * float(assembly.schedule(step)) for step in (0, 399, 400)]
    assert rates == pytest.approx([0.01, 0.01, 0.1], rel=1e-5)


def test_bottlenecks_of_identity_mappings_carry_the_stride_first():
    """KaimingHe/resnet-1k-layers, resnet-pre-act.lua; arXiv 1512.03385, Figure 5."""
    for name, task in paper("arrangement").items():
        block = Assembly(configuration.read(task.config)).model.block
        strided = [convolution.strided for convolution in block.branch.convolutions]
        assert strided == ([True, False] if "110" in name else [True, False, False])
        assert block.shortcut.projects == ("110" not in name)


def test_the_published_1x1_convolution_has_a_norm():
    """arXiv 1603.05027, Figure 2 ('adopted right after the weight layers') and section 3.1."""
    (task,) = (task for task in paper("shortcut").values() if task.row.published == 12.22)
    assert configuration.read(task.config).model.shortcut == "C"
    assert len(paper("shortcut")) == 13


def test_stochastic_depth_is_that_of_its_code():
    """yueatsprograms/Stochastic_Depth, main.lua and ResidualDrop.lua."""
    tasks = paper("depth_drop")
    published = {name: task for name, task in tasks.items() if task.row.published}
    assert [task.row.published for task in published.values()] == [6.41, 5.25]
    for task in published.values():
        config = configuration.read(task.config)
        assert config.model.drop_whole_batch and config.optim.decay_rule == "all"
        assert dict(config.model.shortcut) == {"name": "A", "pooled": True}
        assert (config.optim.name, config.train.epochs) == ("nesterov", 500)


def test_connections_differ_from_their_baseline_in_nothing_else():
    """But for what experiments/connection/README.md names."""
    tasks = experiment.tasks(experiment.load(ROOT / "experiments" / "connection"), "small", 1)
    changes = {task.row.name: task.changes for task in tasks}
    besides = {"residual, wider": {"width_factor"}, "SkipInit": {"branch_gain"},
               "stochastic depth": {"survival", "drop_whole_batch"},
               "stochastic depth of images": {"survival"},
               "decayed_identity": {"zero_init_branch"},
               "normaliser_free": {"arrangement", "norm.name", "norm.group_size", "weight_gain",
                                   "activate_identity", "weight_epsilon"}}  # fmt: skip
    for task in tasks:
        name, baseline = task.row.name.rpartition(" ")[0], changes[task.row.against]
        differing = {
            key.removeprefix("model.")
            for key in {**baseline, **task.changes}
            if baseline.get(key) != task.changes.get(key)
        }
        joined = {key for key in differing if key.partition(".")[0] == "shortcut"}
        assert differing - joined == besides.get(name, set()), name
        chosen = {"model.shortcut": experiment.defaults()["model.shortcut"], **task.changes}
        ends = chosen.get("model.shortcut.ends", chosen["model.shortcut"])
        assert ends in ("B", "none", "concatenation", "D" * (name == "normaliser_free")), name
