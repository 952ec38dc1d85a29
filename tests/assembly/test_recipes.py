"""The ImageNet recipes against what their papers say, and a step of each on a small network."""

import importlib
import re
from contextlib import nullcontext
from math import cos, pi
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import photographs
import pytest

from configs import imagenet_fast
from resnet_jax.assembly.assembly import Assembly
from resnet_jax.data.images.resizing import resizing
from resnet_jax.tables import UserError
from resnet_jax.training.dispatch import Dispatch

EXAMPLES = 1_281_167
RECIPES = sorted(path.stem for path in (Path(__file__).parents[2] / "configs").glob("imagenet*.py"))


def assembly(name, changes=""):
    """The recipe's run on as many examples as ImageNet has, none of which is there."""
    made = Assembly(importlib.import_module(f"configs.{name}").get_config(changes))
    made.inputs.__dict__["train_data"] = SimpleNamespace(examples=EXAMPLES, size_changes=())
    return made


def rate(made, epoch):
    """The learning rate of the update at which that many epochs have passed."""
    return rate_of(made, min(round(epoch * made.steps / epochs(made)), made.steps - 1))


def rate_of(made, step):
    return made.numbers.rate * float(made.schedule(step))


def epochs(made):
    return made.steps * made.batch_size / EXAMPLES


def cosine(peak, final, share):
    return final + (peak - final) * (1 + cos(pi * share)) / 2


class TestSchedules:
    """Corner points: numbers of the papers, with their places."""

    def test_he_et_al_2015(self):
        """arXiv 1512.03385, section 3.4 (batch, rate, 60 x 10^4 updates) and Figure 4."""
        made = assembly("imagenet_paper")
        assert (made.steps, made.batch_size) == (600_000, 256)
        points = {0: 0.1, 149_999: 0.1, 150_000: 0.01, 299_999: 0.01, 300_000: 1e-3, 599_999: 1e-3}
        for step, expected in points.items():
            assert rate_of(made, step) == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize("batch", [256, 8_192])
    def test_goyal_et_al(self, batch):
        """arXiv 1706.02677, sections 2.1 and 5.2: from 0.1 to 0.1 for each 256 in five epochs."""
        made = assembly("imagenet", f"batch={batch}")
        peak = 0.1 * batch / 256
        points = {0: 0.1, 2.5: (0.1 + peak) / 2, 5: peak, 90: 0.0}
        for epoch, expected in points.items():
            assert rate(made, epoch) == pytest.approx(expected, rel=2e-3, abs=1e-4)

    def test_he_et_al_2016(self):
        """arXiv 1603.05027, appendix: 0.1 without warm-up, a tenth of it at 30 and 60 epochs."""
        made = assembly("imagenet_preact")
        assert made.batch_size == 256 and epochs(made) == pytest.approx(90, abs=1e-3)
        points = {0: 0.1, 29.99: 0.1, 30.01: 0.01, 59.99: 0.01, 60.01: 1e-3, 90: 1e-3}
        for epoch, expected in points.items():
            assert rate(made, epoch) == pytest.approx(expected, rel=1e-5)

    def test_big_transfer(self):
        """arXiv 1912.11370, section 3.2: 0.03 for each 256, 5,000 steps, then 30, 60, 80 epochs."""
        made = assembly("imagenet_bit")
        assert made.batch_size == 4_096 and epochs(made) == pytest.approx(90, abs=1e-2)
        assert rate_of(made, 2_500) == pytest.approx(0.24)
        assert rate_of(made, 4_999) == pytest.approx(0.48, rel=1e-3)
        points = {29.99: 0.48, 30.01: 0.048, 59.99: 0.048, 60.01: 4.8e-3, 79.99: 4.8e-3,
                  80.01: 4.8e-4, 90: 4.8e-4}  # fmt: skip
        for epoch, expected in points.items():
            assert rate(made, epoch) == pytest.approx(expected, rel=1e-4)

    @pytest.mark.parametrize(
        ("name", "length", "peak"),
        [("imagenet_a1", 600, 5e-3), ("imagenet_a2", 300, 5e-3), ("imagenet_a3", 100, 8e-3)],
    )
    def test_resnet_strikes_back(self, name, length, peak):
        """arXiv 2110.00476, Table 2; the ends are those of timm's warmup_lr and min_lr."""
        made = assembly(name)
        assert made.batch_size == 2_048 and epochs(made) == pytest.approx(length, abs=1e-2)
        middle = (5 + length) / 2
        points = {0: 1e-4, 2.5: (1e-4 + peak) / 2, 5: peak, middle: (peak + 1e-6) / 2,
                  length: 1e-6}  # fmt: skip
        for epoch, expected in points.items():
            assert rate(made, epoch) == pytest.approx(expected, rel=2e-3)

    def test_torchvisions_second_recipe(self):
        """PyTorch blog, 2021: 0.5 after 5 epochs from a hundredth, cosine over the other 595."""
        made = assembly("imagenet_v2")
        assert made.batch_size == 1_024 and epochs(made) == pytest.approx(600, abs=1e-2)
        points = {0: 0.005, 5: 0.5, 302.5: 0.25, 153.75: cosine(0.5, 0, 0.25), 600: 0.0}
        for epoch, expected in points.items():
            assert rate(made, epoch) == pytest.approx(expected, rel=2e-3, abs=1e-8)
        decay = made.ema_decay
        # In 32 updates as much is forgotten as by one of torchvision's.
        assert 1 - decay**32 == pytest.approx(2e-5 * 1_024 * 32 / 600, rel=1e-6)

    @pytest.mark.parametrize("length", imagenet_fast.GROWTH)
    def test_ffcv(self, length):
        """rn50_configs and train_imagenet.py: in straight lines to 1.7 at epoch 2 and to 0."""
        made = assembly("imagenet_fast", f"epochs={length}")
        assert made.batch_size == 8 * 512 and epochs(made) == pytest.approx(length, abs=1e-2)
        points = {0: 1.7e-4, 1: 0.85, 2: 1.7, (2 + length) / 2: 0.85, length: 0.0}
        for epoch, expected in points.items():
            assert rate(made, epoch) == pytest.approx(expected, rel=2e-3, abs=2e-3)
        start, end = imagenet_fast.GROWTH[length]
        data, per_epoch = made.config.data, made.steps / length
        size = resizing(data.first_size, data.image_size, data.growth, made.steps)
        sizes = [size(round(epoch * per_epoch)) for epoch in (0, start, end, length)]
        assert sizes == [160, 160, 192, 192]
        assert len(size.changes()) == 1

    def test_algoperf(self):
        """imagenet_resnet/tuning_search_space.json and jax_momentum.py of its target setting."""
        made = assembly("imagenet_algoperf")
        assert (made.batch_size, made.steps) == (1_024, int(0.75 * 195_999))
        peak, end = 4.131896390902391, 6_999 + int(140_000 * 0.9007765761611038)
        points = {0: 0, 3_500: peak * 3_500 / 6_999, 6_999: peak, end: peak / 1_000,
                  (6_999 + end) // 2: peak * 0.5005, 146_998: peak / 1_000}  # fmt: skip
        for step, expected in points.items():
            assert rate_of(made, step) == pytest.approx(expected, rel=1e-4)

    def test_fixres(self):
        """imnet_finetune/train.py: 8 x 1e-3 for batches of 512, a tenth of it at epoch 30."""
        made = assembly("imagenet_fixres")
        assert made.batch_size == 512 and epochs(made) == pytest.approx(31, abs=1e-2)
        points = {0: 0.008, 29.99: 0.008, 30.01: 8e-4, 31: 8e-4}
        for epoch, expected in points.items():
            assert rate(made, epoch) == pytest.approx(expected, rel=1e-5)

    def test_ffcv_has_no_other_number_of_epochs(self):
        with pytest.raises(UserError, match="no recipe of 17 epochs: choose 16, 24"):
            assembly("imagenet_fast", "epochs=17")


@pytest.mark.parametrize(
    ("name", "examples"),
    [
        # Of a GPU: arXiv 1706.02677, section 5.1; arXiv 1603.05027, appendix; ffcv's rn50_configs.
        ("imagenet", 32),
        ("imagenet_paper", 32),
        ("imagenet_preact", 32),
        ("imagenet_fast", 512),
        ("imagenet_a3", 512),
        ("cifar10", 64),
    ],
)
def test_as_many_examples_share_batch_statistics_as_published(name, examples):
    config = importlib.import_module(f"configs.{name}").get_config()
    assert config.norm.group_size == examples
    assert config.train.batch_size % examples == 0


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        # README of fb.resnet.torch on the code of He et al. 2015, and on its own.
        ("cifar10", "kernels"),
        ("imagenet_paper", "kernels"),
        ("imagenet_preact", "all"),
        ("imagenet", "kernels"),
        ("imagenet_a1", "kernels"),
        ("imagenet_v2", "but_norms"),
        ("imagenet_fast", "ffcv"),
        ("imagenet_algoperf", "all"),
    ],
)
def test_the_published_parameters_decay(name, rule):
    config = importlib.import_module(f"configs.{name}").get_config()
    assert config.optim.decay_rule == rule


@pytest.mark.parametrize(
    ("name", "magnitude"), [("imagenet_a1", 7), ("imagenet_a2", 7), ("imagenet_a3", 6)]
)
def test_resnet_strikes_back_is_that_of_timm(name, magnitude):
    """rand-m7-mstd0.5-inc1 (m6 for A3) and zero_init_last of timm/models/resnet.py."""
    config = importlib.import_module(f"configs.{name}").get_config()
    assert dict(config.data.policy) == {"name": "timm_rand_augment", "magnitude": magnitude}
    assert config.model.zero_init_branch


def test_ffcv_blurs_before_and_averages_logits():
    config = importlib.import_module("configs.imagenet_fast").get_config()
    assert config.model.antialias == "blur_before" and config.eval.average_logits
    assert config.data.eval_views == "mirrored"


def test_the_best_network_of_identity_mappings_is_that_of_fb_resnet_torch():
    """datasets/imagenet.lua: ColorJitter 0.4 and Lighting 0.1; models/preresnet.lua: the stem."""
    config = importlib.import_module("configs.imagenet_preact").get_config()
    assert config.data.jitter == (0.4, 0.4, 0.4, 0.0) and config.data.lighting == 0.1
    assert config.model.activate_stem and config.optim.name == "nesterov"


def test_algoperf_is_tested_on_224_of_256_pixels():
    """imagenet_resnet/workload.py."""
    config = importlib.import_module("configs.imagenet_algoperf").get_config()
    assert config.data.crop_ratio == 224 / 256 and config.model.zero_init_branch
    assert config.norm.get("group_size") is None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("photographs")
    for split in ("train", "validation"):
        photographs.write(place, split, each=4)
    return place


def reduced(name, folder):
    """The recipe with two narrow stages, on small photographs in a folder."""
    config = importlib.import_module(f"configs.{name}").get_config()
    config.data.update(source="folder", name=None, dir=str(folder), workers=0, image_size=16,
                       eval_size=16)  # fmt: skip
    if "first_size" in config.data:
        config.data.first_size = 8
    if "short_side" in config.data:
        config.data.short_side = (18, 24)
    if config.finetune.frozen_parts:
        config.finetune.frozen_parts = 3
    config.model.update(stage_depths=(1, 1), widths=(8, 16), stem_width=8, width_factor=1.0)
    if config.norm.name == "group":
        config.norm.channel_groups = 4
    config.train.update(batch_size=8, steps=40)
    # A rate that is not zero from the first update on.
    config.schedule.warmup_epochs = 0.0
    return config


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_takes_two_steps_on_a_reduced_network(name, folder):
    """The first and the last; images that grow have another size there."""
    config = reduced(name, folder)
    made = Assembly(config)
    run, compilations = made.run(), []
    dispatch = Dispatch([run], lambda: nullcontext(compilations.append(1)))
    state = made.create_state()
    before = jax.device_get(state.params)
    for step in (0, 39):
        state, (report,) = dispatch(state, step, 1)
        assert np.isfinite(report["sums"]["loss"]).all()
        assert int(report["sums"]["examples"][0]) == 8
    assert int(state.step) == 2
    after = jax.device_get(state.params)
    moved = jax.tree.map(lambda old, new: bool((old != new).any()), before, after)
    if config.finetune.frozen_parts:
        assert all(jax.tree.leaves(moved.pop("head"))) and not any(jax.tree.leaves(moved))
    else:
        assert all(jax.tree.leaves(moved))
    assert len(compilations) == 1 + ("first_size" in config.data)
    result = made.evaluation(state.eval_variables)
    assert result["examples"] == 12 and np.isfinite(result["loss"])


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_where_it_comes_from(name):
    text = importlib.import_module(f"configs.{name}").__doc__
    assert f"--config=configs/{name}.py" in text
    assert re.search(r"arXiv \d{4}\.\d{4,5}|PyTorch\s+blog", text)
    assert re.search(r"Published|Expected", text) and re.search(r"\d\d\.\d", text)
