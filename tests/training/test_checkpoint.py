import shutil
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from saved import assert_equal, largest_file, save, state

from resnet_jax.models.building import resnet
from resnet_jax.models.scan import stack_blocks, unstack_blocks
from resnet_jax.tables import UserError
from resnet_jax.training.checkpoint import Checkpoints
from resnet_jax.training.state import TrainState

pytestmark = pytest.mark.usefixtures("quiet_readers")


@pytest.mark.parametrize("ema", [True, False])
def test_round_trip_is_bit_for_bit(tmp_path, ema):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state(7, ema=ema))
    with Checkpoints(tmp_path) as checkpoints:
        assert_equal(checkpoints.restore(state(0, ema=ema)), state(7, ema=ema))


def test_nothing_to_restore(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.restore(state(0)) is None
        assert checkpoints.best_step is None
        with pytest.raises(UserError, match=r"no checkpoint of step 3 .*there are: \[\]"):
            checkpoints.restore(state(0), 3)


def test_what_is_being_saved_is_restored(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state(1))
        assert_equal(checkpoints.restore(state(0)), state(1))


def test_a_chosen_step(tmp_path):
    save(tmp_path, {1: None, 2: None}, keep=2)
    with Checkpoints(tmp_path) as checkpoints:
        assert_equal(checkpoints.restore(state(0), 1), state(1))
        with pytest.raises(UserError, match=r"step 3 in .*; there are: \[1, 2\]"):
            checkpoints.restore(state(0), 3)


def test_a_step_is_saved_once(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state(1))
        checkpoints.wait()
        checkpoints.save(state(9).replace(step=jnp.int32(1)))
        assert_equal(checkpoints.restore(state(0)), state(1))


class TestKeeping:
    @pytest.mark.parametrize("keep", [1, 2])
    def test_newest(self, tmp_path, keep):
        save(tmp_path, {1: 0.9, 2: 0.1, 3: 0.2, 4: 0.3}, keep=keep)
        with Checkpoints(tmp_path) as checkpoints:
            assert checkpoints.steps == [1, 2, 3, 4][-keep:]

    def test_best_beside_them(self, tmp_path):
        save(tmp_path, {1: 0.2, 2: 0.9, 3: 0.5, 4: 0.4}, keep=1, keep_best=2)
        with Checkpoints(tmp_path) as checkpoints:
            assert checkpoints.steps == [2, 3, 4]
            assert checkpoints.best_step == 2
            assert_equal(checkpoints.restore(state(0), checkpoints.best_step), state(2))

    def test_best_of_before_a_restart_stays(self, tmp_path):
        for step, top1 in {1: 0.2, 2: 0.9, 3: 0.5, 4: 0.4}.items():
            save(tmp_path, {step: top1}, keep=1, keep_best=1)
        with Checkpoints(tmp_path) as checkpoints:
            assert checkpoints.steps == [2, 4]
            assert checkpoints.best_step == 2

    def test_those_without_an_evaluation_go(self, tmp_path):
        save(tmp_path, {1: 0.9, 2: None, 3: None, 4: 0.1, 5: None}, keep=1, keep_best=1)
        with Checkpoints(tmp_path) as checkpoints:
            assert checkpoints.steps == [1, 5]


@pytest.mark.parametrize("step", [3, 5])
def test_half_written_checkpoint_is_ignored_and_goes_with_the_next_save(tmp_path, step):
    save(tmp_path, {1: None, 2: None}, keep=2)
    # What a process leaves that is killed while it saves.
    half = tmp_path / f"{step}.orbax-checkpoint-tmp"
    shutil.copytree(tmp_path / "2", half)
    (half / "commit_success.txt").unlink(missing_ok=True)
    largest_file(half).unlink()

    with Checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.steps == [1, 2]
        assert_equal(checkpoints.restore(state(0)), state(2))
    assert half.exists()  # it could belong to a run that is saving just now

    save(tmp_path, {3: None}, keep=2)
    assert not half.exists()
    with Checkpoints(tmp_path) as checkpoints:
        assert_equal(checkpoints.restore(state(0)), state(3))


@pytest.fixture(scope="module")
def scanned():
    network = resnet(
        family="cifar",
        classes=3,
        stage_depths=(3, 1, 2),
        widths=(4, 8, 8),
        stem_width=4,
        scan_blocks=True,
    )
    init = jax.jit(partial(network.init, train=False))
    variables = init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    return TrainState.create(variables, optax.adam(0.1), ema=True)


class TestScannedLayout:
    def test_saved_scanned_and_restored_unrolled(self, tmp_path, scanned):
        with Checkpoints(tmp_path, to_stored=unstack_blocks, from_stored=stack_blocks) as scan:
            scan.save(scanned)
            scan.wait()
            assert_equal(scan.restore(scanned), scanned)

        expected = unstack_blocks(scanned)
        with Checkpoints(tmp_path) as unrolled:
            found = unrolled.restore(jax.tree.map(jnp.zeros_like, expected))
        assert_equal(found, expected)
        for index, block in enumerate(("block2", "block3")):
            jax.tree.map(
                lambda one, all_blocks, index=index: np.testing.assert_array_equal(
                    one, all_blocks[index]
                ),
                found.opt_state[0].mu["stage1"][block],
                scanned.opt_state[0].mu["stage1"]["blocks"],
            )

    def test_saved_unrolled_and_restored_scanned(self, tmp_path, scanned):
        with Checkpoints(tmp_path) as unrolled:
            unrolled.save(unstack_blocks(scanned))
        with Checkpoints(tmp_path, to_stored=unstack_blocks, from_stored=stack_blocks) as scan:
            assert_equal(scan.restore(scanned), scanned)
