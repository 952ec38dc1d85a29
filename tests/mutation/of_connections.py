"""Mutants of the connections of a block, and of what stands beside its branch."""

from mutation.mutant import Mutant

UPDATES = "models/connections/updates.py"
STREAMS = "models/connections/streams.py"
EARLIER = "models/connections/earlier.py"
SINKHORN = "models/connections/sinkhorn.py"
SHAKEN = "models/connections/shaken.py"
STAGE = "models/stage.py"


def test(file: str, name: str) -> tuple[str, ...]:
    return (f"tests/models/{file}.py::test_{name}",)


MUTANTS = [
    Mutant(
        "an orthogonal update adds what is along x",
        UPDATES, "y - share.astype(y.dtype) * shortcut", "y + share.astype(y.dtype) * shortcut",
        test("connections/test_updates", "orthogonal_takes_from_f_what_is_along_x"),
    ),
    Mutant(
        "the identity decays from its last share",
        UPDATES, "(1 - last_share) * site.number", "last_share * site.number",
        test("connections/test_updates",
             "the_identity_decays_linearly_down_to_its_last_share"),
    ),
    Mutant(
        "a weight outside of [-1, 1] comes back by no gradient",
        UPDATES, "& (jnp.sign(gradient) == -jnp.sign(weight))", "",
        test("connections/test_updates", "no_gradient_moves_a_weight_further_out"),
    ),
    Mutant(
        "every block reads the first stream",
        STREAMS, "(jnp.asarray(site.number) - 1) % streams", "0 * jnp.asarray(site.number)",
        test("connections/test_streams", "each_block_reads_another_stream_at_first"),
    ),
    Mutant(
        "columns of a mixture do not sum to one",
        SINKHORN, "v = 1 / _sum(k * u[:, None], 0)", "v = jnp.ones_like(u)",
        test("connections/test_sinkhorn", "sinkhorn_gives_rows_and_columns_of_one"),
    ),
    Mutant(
        "Sinkhorn's gradient forgets what columns give rows",
        SINKHORN, "return (_sum(k * of_columns[None], 1),", "return (jnp.zeros_like(of_u),",
        test("connections/test_sinkhorn", "values_and_gradients_are_those_of_the_steps"),
    ),
    Mutant(
        "the second half is inverted with the wrong branch",
        STREAMS, "second = second - branch(first, copy=2, stride=1)",
        "second = second - branch(first, stride=1)",
        test("connections/test_streams", "a_reversible_block_inverts"),
    ),
    Mutant(
        "keys of attention are not normalised",
        EARLIER, "rms_normalised(values), query", "values, query",
        test("connections/test_earlier",
             "attention_weighs_values_by_a_softmax_over_their_normalised_keys"),
    ),
    Mutant(
        "each block opens a group of its own",
        EARLIER, "return before % (size + 1) == 0", "return True",
        test("connections/test_earlier", "the_blocks_of_a_group_are_one_value"),
    ),
    Mutant(
        "a shaken branch has the gradient of its forward pass",
        SHAKEN, "backward * y + lax.stop_gradient((forward - backward) * y)", "forward * y",
        test("connections/test_shaken", "the_gradients_of_shake_shake_are_shared_anew"),
    ),
    Mutant(
        "a reversible stage keeps its states",
        STAGE, "inverts = self.block.shortcut.inverse and self.layers.train", "inverts = False",
        test("test_reversal", "what_a_stage_keeps_does_not_grow_with_its_depth"),
    ),
    Mutant(
        "a reversible stage leaves its running averages as they were",
        STAGE, "if statistics:", "if not statistics:",
        test("test_reversal", "gradients_and_statistics_are_those_of_autodiff"),
    ),
    Mutant(
        "random choices of a second branch follow the order of calls",
        "models/residual.py", "if copy == 1:", "if copy:",
        test("test_reversal", "random_choices_are_the_same_forward_and_backward"),
    ),
    Mutant(
        "a block without a shortcut can lose its branch",
        "models/residual.py", "            survival = 1.0  # else", "            pass  # else",
        test("test_dropping", "what_has_no_shortcut_is_not_dropped"),
    ),
    Mutant(
        "an activation stands twice behind a convolution before the head",
        "models/arrangements.py", "return steps[: -len(behind)]", "return steps[:]",
        test("test_resnet", "a_convolution_before_the_head_leaves_the_head_its_steps"),
    ),
    Mutant(
        "a channel's response is its share of all positions",
        "models/attention.py", "norms.mean(axis=-1, keepdims=True)",
        "norms.mean(axis=(1, 2), keepdims=True)",
        test("test_published_parts", "the_response_of_a_channel_is_its_share_of_all_by_hand"),
    ),
    Mutant(
        "the blocks of a stage see the half that goes around them",
        "models/transitions.py", "aside, x = jnp.split(", "x, aside = jnp.split(",
        test("test_transitions", "what_goes_around_does_not_depend_on_the_blocks"),
    ),
    Mutant(
        "a head normalises before it pools",
        "models/heads.py", "pooled[:, None, None]", "_exact(x, layers)",
        test("test_heads", "a_normalised_head_by_hand"),
    ),
    Mutant(
        "a convolution between stages has another window",
        "models/transitions.py", "layers.conv(features, stride, stride,",
        "layers.conv(features, 3, stride,",
        test("test_transitions", "a_norm_and_a_convolution_stand_where_the_shape_changes"),
    ),
]  # fmt: skip
