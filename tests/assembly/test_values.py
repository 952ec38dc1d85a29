"""Values that a key does not allow, before anything is compiled or written.

No value is accepted that means nothing, none ends in a traceback, and none takes long.
"""

import math
import re
import time
from copy import deepcopy
from functools import cache

import pytest
from command_line import mistake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from refused import BESIDE, REFUSED, STREAMED
from test_keys import every_option
from traces import Trace, tiny

from configs import default
from resnet_jax.assembly import Assembly, choices, configuration, keys
from resnet_jax.assembly.checking import check
from resnet_jax.assembly.run import train
from resnet_jax.tables import UserError, annotations_of, domains, split

TEXT = ("data.train_split", "data.name", "data.dir", "report.project", "init.weights", "init.run")
# Numbers that may be negative.
SIGNED = ("branch_gain", "shortcut_scale", "branch_scale", "gate_bias", "initial_gain")


def every_key() -> list[str]:
    """The keys of all sections, and the options of all rows."""
    own = keys.flatten(default.get_config().to_dict())
    return sorted({*own, *every_option()})


def domain_of(key):
    """The domain of a key, with the row chosen that takes it."""
    config, (section, _, name) = started(key), key.rpartition(".")
    if section not in choices.CHOICES:
        return choices.keys_of(config, section)[name]
    where, _, chosen = section.partition(".")
    row, _ = split(config.to_dict()[where][chosen])
    return annotations_of(choices.CHOICES[section].row(row))[name]


@cache
def _started(key):
    return tiny(**BESIDE.get(key, {}))


def started(key):
    """A new configuration that takes the key."""
    return deepcopy(_started(key))


def assign(config, key, value):
    """Sets a key as a file does that switches the types of keys off."""
    section, _, name = key.rpartition(".")
    with config.ignore_type():
        if section in choices.CHOICES:
            section, _, where = section.partition(".")
            chosen, options = split(config.to_dict()[section][where])
            config[section][where] = {"name": chosen, **options, name: value}
        else:
            (config[section] if section else config)[name] = value


def written(value) -> str:
    """As on the command line."""
    return value if isinstance(value, str) else repr(value)


@pytest.mark.parametrize("key", REFUSED)
def test_a_key_refuses_what_means_nothing(key):
    for value in REFUSED[key]:
        of_file, of_line = started(key), started(key)
        assign(of_file, key, value)
        with pytest.raises(UserError) as raised:
            check(of_file)
        sentence = str(raised.value)
        assert re.search(
            f"{key.rpartition('.')[2]}=.* must be|unknown|chooses no|takes no|option", sentence
        )
        assert "\n" not in sentence
        if key not in TEXT:
            with pytest.raises(UserError):
                configuration.set_value(of_line, key, written(value))


def test_the_table_has_every_key_that_takes_a_number():
    numeric = {key for key in every_key() if domains.kind_of(domain_of(key)) in (int, float, tuple)}
    missing = numeric - REFUSED.keys()
    # Of rows that share them with one in the table.
    assert missing == {"model.branch.base_width", "model.branch.first_reduction",
                       "model.shortcut.branch_scale", "model.shortcut.gate_bias", "optim.b2",
                       "schedule.start"}  # fmt: skip


numbers = (
    st.floats()
    | st.integers()
    | st.sampled_from([-1, 0, 1, 2**31, 2**70, 1e39, 1e-50, -0.5, 1.5, math.nan, math.inf])
)
words = st.text(max_size=5) | st.sampled_from(["None", "nan", "__import__('os')", "{}", "(("])
values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: (
        st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.sampled_from(["name", "x"]), inner, max_size=2)
    ),
    max_leaves=5,
)


def found_in(value):
    """The numbers in a value."""
    if isinstance(value, tuple | list):
        return [number for item in value for number in found_in(item)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def accepted(key, value) -> list:
    """The configurations that take the value, from a file and from the command line.

    Whatever is drawn is taken at once, or refused at once in one sentence.
    """
    found = []
    for change in (assign, lambda *given: configuration.set_value(*given[:2], written(given[2]))):
        config = started(key)
        start = time.monotonic()
        try:
            change(config, key, value)
            check(config)
            found.append(config)
        except UserError as error:
            assert "\n" not in str(error) and len(str(error)) < 1_000
        # Milliseconds, on a machine that does other things too.
        assert time.monotonic() - start < 1
    return found


def of(config, key):
    flat = keys.flatten(config.to_dict())
    return flat.get(key)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(every_key()), values)
def test_any_value_is_taken_or_refused_at_once(key, value):
    for config in accepted(key, value):
        for number in found_in(of(config, key)):
            assert math.isfinite(number)
            assert number >= 0 or key.endswith(SIGNED)


@pytest.mark.slow
@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(every_key()), values | numbers)
def test_a_run_of_any_value_that_is_taken_is_traced_or_refused_in_one_sentence(key, value):
    for config in accepted(key, value)[:1]:
        try:
            trace = Trace(config)
            # What takes the machine's memory is not asked for here.
            if config.train.batch_size <= 256 and (config.train.steps_per_call or 1) <= 32:
                assert trace.start and trace.step
        except UserError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("key", ["train.steps", "model.branch", "optim.clip_norm", "mesh.data",
                                 "init.weights", "report.profile", "model.stem"])  # fmt: skip
def test_a_key_that_may_be_none_is_unset_on_the_command_line(key):
    beside = {"train.steps": 7, "model.branch": "basic", "optim.clip_norm": 1.0, "mesh.data": 1,
              "init.weights": "a", "report.profile": "1:2", "model.stem": "deep"}  # fmt: skip
    config = tiny(**{key: beside[key]})
    assert of(config, key) == beside[key]
    configuration.set_value(config, key, "None")
    assert of(config, key) is None
    check(config)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"eval.patience": 3, "eval.every_epochs": 0.0}, "set eval.every_epochs to the epochs"),
        ({"norm.group_size": 12}, "does not divide the 32 examples that a step computes at once"),
        ({"norm.group_size": 12, "train.accumulate": 2}, "does not divide the 16 examples"),
        ({"data.repeats": 33}, "data.repeats=33 is more than the 32 examples"),
    ],
)
def test_keys_that_contradict_each_other(changes, sentence):
    with pytest.raises(UserError, match=sentence):
        Assembly(tiny(**changes))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data.pad": 8}, r"data\.pad=8 would move images of 8 pixels out of their crops.* most 7"),
        ({"data.pad": 1_000}, "at most 7"),
        ({"data.cutout": 9}, "data.cutout=9 is larger than images of 8 pixels"),
        (
            {"data.pad": 0, "data.reflect_pad": 8},
            r"data\.reflect_pad=8 would move images of 8 pixels.* most 7",
        ),
        ({"data.inner_cutout": 9}, "data.inner_cutout=9 is larger than images of 8 pixels"),
        ({"data.pad": 1, "data.reflect_pad": 1}, "data.pad and data.reflect_pad are both set"),
        ({"data.cutout": 1, "data.inner_cutout": 1}, "set one of them to 0"),
        ({"data.mean": (0.1, 0.2)}, "data.mean=.* has 2 values.* have 3 channels"),
        ({"data.std": (0.1,) * 4}, "data.std=.* has 4 values"),
        ({"model.stage_depths": (1, 1, 1)}, "3 stage depths"),
        ({"model.width_factor": 0.01}, r"has 0 features.* model\.width_factor"),
        ({"model.stem": "tiered", "model.stem_width": 2}, "of the stem has 0 features"),
        ({"finetune.frozen_parts": 4}, "must lie between 0 and 3"),
        ({"train.accumulate": 3}, "can't be shared by 1 device in 3 micro-batches"),
        ({"schedule.warmup_epochs": 100.0}, "leaves none of the run's 40"),
        ({"train.steps": None, "train.epochs": 2e9}, "a run has at most 2,147,483,647"),
        ({"data.examples": 10**8, "data.image_size": 32}, "more than a GiB"),
        ({"mesh.data": 64}, "does not fit the 1 that there are"),
    ],
)
def test_keys_that_do_not_fit_images_network_or_devices(tmp_path, changes, sentence):
    config, workdir = tiny(**changes), tmp_path / "run"
    with pytest.raises(UserError, match=sentence):
        train(config, workdir)
    assert not workdir.exists()


def test_photographs_that_grow_are_padded_within_their_first_size():
    config = tiny(**{**STREAMED, "data.first_size": 4, "data.pad": 4})
    with pytest.raises(UserError, match="images of 4 pixels"):
        Assembly(config).run()


def test_one_mean_and_deviation_may_serve_all_channels():
    one, each = (tiny(**{"data.mean": (0.4,) * n, "data.std": (0.2,) * n}) for n in (1, 3))
    assert (Trace(one).examples, Trace(one).start) == (Trace(each).examples, Trace(each).start)


def test_another_source_drops_the_options_that_it_does_not_take():
    config = tiny()
    configuration.override(config, "data.source=digits,data.mean=(0.5,),data.std=(0.5,)")
    assert not {"image_size", "classes", "examples"} & set(config.data)
    assert Assembly(config).source.image_shape == (8, 8, 1)


def test_another_row_keeps_an_option_only_where_it_allows_its_value():
    config = tiny(**{"schedule.name": "polynomial", "schedule.final": 0.0})
    configuration.override(config, "schedule.name=one_cycle")
    assert "final" not in config.schedule


def test_every_key_and_every_option_says_what_is_valid():
    silent = [key for key in every_key() if "a value" in domains.words(domain_of(key))]
    assert not silent, f"annotate {silent} with names of tables/domains.py"


def test_a_value_that_is_refused_leaves_nothing_behind(tmp_path):
    sentence = mistake("train", "--config=configs/smoke.py", "--config.train.steps=0",
                     f"--workdir={tmp_path / 'run'}")  # fmt: skip
    assert sentence == "config.train.steps=0 must be a whole number from 1 to 2,147,483,647 or None"
    assert not (tmp_path / "run").exists()


def test_code_on_the_command_line_is_text(tmp_path):
    code = f"__import__('pathlib').Path('{tmp_path}/ran').touch()"
    for key in ("data.mean", "model.depth", "optim.rate", "model.shortcut.layout", "seed"):
        with pytest.raises(UserError):
            configuration.set_value(started(key), key, code)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "key", ["", ".", "a.b.c", "model", "model.", ".seed", "data", "optim.name.b"]
)
def test_what_is_no_key_is_refused(key):
    with pytest.raises(UserError):
        configuration.set_value(tiny(), key, "3")
