"""Analyses and compression of networks with every connection."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis import tiny
from models.connections.networks import BESIDE, CONNECTIONS, each

from resnet_jax.analysis import counts
from resnet_jax.analysis.studies import cost, gradient_flow, lesion, receptive_field
from resnet_jax.analysis.subject import Examples
from resnet_jax.compression.folding import fold
from resnet_jax.compression.pruning import without_channels
from resnet_jax.models.shortcuts import SHORTCUTS
from resnet_jax.tables import UserError


def network(name, **changes):
    row = SHORTCUTS[name]
    arrangement = "original" if row.after else "full_preactivation"
    return tiny.network(**{"arrangement": arrangement, "shortcut": name, **BESIDE.get(name, {}),
                           **changes})  # fmt: skip


def logits(model, variables, images):
    return model.apply(variables, images, train=False)


@pytest.mark.parametrize("name", each(few=("hyper",)))
def test_without_all_branches_nothing_of_a_branch_counts(name):
    """With branches of other parameters the lesioned network is the same, but for their gates."""
    model = network(name, stage_depths=(1, 1))
    variables, images = tiny.variables_of(model), tiny.examples().images
    lesioned = jax.jit(partial(lesion.apply_lesioned, model))
    none = np.zeros(2, bool)
    others = jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf * 1.5 if path[-2].key.startswith("conv") else leaf, variables
    )
    found = lesioned(variables, images, none)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(lesioned(others, images, none), found, rtol=1e-6)
    assert not np.allclose(lesioned(others, images, ~none), found)


@pytest.mark.parametrize("name", each(few=("reversible",)))
def test_gradients_flow_through_every_block(name):
    model = network(name)
    flow = gradient_flow.measure(model, tiny.variables_of(model), tiny.examples())
    for values in flow:
        assert values.shape == (4,) and np.isfinite(values).all()
    assert (flow.input_gradient > 0).all() and (flow.parameter_gradient > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", CONNECTIONS)
def test_every_block_has_a_cost(name):
    model = network(name)
    rows = cost.measured(model, tiny.variables_of(model), tiny.SHAPE, batch_size=2, repeats=1)
    blocks = [f"stage{stage}/block{block}" for stage in (1, 2) for block in (1, 2)]
    assert [row.name for row in rows if row.seconds] == blocks


def test_the_twins_of_a_network_that_needs_preactivation_are_preactivated():
    found = gradient_flow.twins(network("attention"))
    assert {name.partition(",")[0] for name in found} == {"plain", "pre-activation"}
    found = gradient_flow.twins(network("hyper"))
    assert {name.partition(",")[0] for name in found} == {"plain", "residual", "pre-activation"}


# The squeezed gate sees all positions.
LOCAL = [name for name in CONNECTIONS if name != "squeezed_gate"]


@pytest.mark.slow
@pytest.mark.parametrize("name", LOCAL)
def test_every_pixel_of_the_field_counts_and_none_beside_it(name):
    model = network(name, norm="none", stage_depths=(1, 1))
    variables = jax.tree.map(
        lambda leaf: jnp.full(leaf.shape, 0.01, leaf.dtype), tiny.abstract_variables(model)
    )
    draw = np.random.default_rng(0)
    images = draw.uniform(0.5, 1, (1, 48, 48, 3)).astype(np.float32)
    sizes = receptive_field.effective(model, variables, Examples(images, np.zeros(1)), 1)
    theory = receptive_field.theoretical(model)[receptive_field.Name(2, 1)]
    rows, columns = np.nonzero(sizes)
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == theory.size


def test_a_reversible_network_is_estimated_to_keep_the_ends_of_its_stages():
    def kept(depth, remat):
        model = network("reversible", stage_depths=(depth,), widths=(4,))
        return counts.kept_bytes(counts.layers(model, tiny.SHAPE), remat)

    assert kept(2, "reversible") == kept(5, "reversible") < kept(5, "block") < kept(5, "none")


FOLDED = [name for name in CONNECTIONS if SHORTCUTS[name].after and name != "shake_shake"]


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLDED)
def test_a_folded_network_computes_the_same(name):
    model = network(name, stage_depths=(1, 1))
    variables, images = tiny.variables_of(model), tiny.examples().images
    lean, params = fold(model, variables)
    expected = jax.jit(partial(logits, model))(variables, images)
    found = jax.jit(partial(logits, lean))(params, images)
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-4)


def test_what_can_not_be_compressed_says_so():
    with pytest.raises(UserError, match="two projections at once: choose other ends"):
        fold(network("shake_shake"), {})
    with pytest.raises(UserError, match="where it follows a convolution"):
        fold(network("attention"), {})
    with pytest.raises(UserError, match=r"one branch, and this model\.shortcut has 4"):
        without_channels(network("resnet_in_resnet"), {}, 0.5)
