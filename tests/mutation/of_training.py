"""Mutants of what analyses, compression and sweeps train and evaluate with."""

from mutation.mutant import Mutant

LOOP = "training/loop.py"
MEMBERS = "tests/training/test_members_of_a_loop.py"


def members(name: str) -> tuple[str, ...]:
    return (f"{MEMBERS}::test_{name}",)


MUTANTS = [
    Mutant(
        "the view that is scored alone is the last one",
        "training/evaluation.py", "found[:, 0]", "found[:, -1]",
        ("tests/training/test_evaluator.py::test_the_first_view_is_scored_alone_too",),
    ),
    Mutant(
        "weights of views are not taken for their probabilities",
        "training/steps.py", "axis=1, b=shares)", "axis=1, b=1 / views)",
        ("tests/training/test_evaluator.py::test_views_may_count_differently",),
    ),
    Mutant(
        "the last member is never saved",
        LOOP, "in zip(members, states(), strict=True):\n                member.save",
        "in zip(members[:-1], states(), strict=False):\n                member.save",
        members("members_that_stopped_at_different_steps_catch_up"),
    ),
    Mutant(
        "the last member is never evaluated",
        LOOP, "in zip(members, states(), strict=True):\n                    member.evaluate",
        "in zip(members[:-1], states(), strict=False):\n                    member.evaluate",
        members("members_that_stopped_at_different_steps_catch_up"),
    ),
    Mutant(
        "a member that is behind passes the one that it catches up with",
        LOOP, "min([*goals, behind[0].run.steps])", "behind[0].run.steps",
        members("members_that_stopped_at_different_steps_catch_up"),
    ),
    Mutant(
        "a member that is ahead goes on before those behind",
        LOOP, "lowest = min(", "lowest = max(",
        members("members_that_stopped_at_different_steps_catch_up"),
    ),
    Mutant(
        "a member that diverges ends the others",
        LOOP, "or all(member.diverged for", "or any(member.diverged for",
        members("a_member_that_diverges_leaves_the_others_alone"),
    ),
    Mutant(
        "an evaluation as good as the best counts as better",
        LOOP, "or top1 > self.best", "or top1 >= self.best",
        ("tests/training/test_patience.py",),
    ),
    Mutant(
        "a run that goes on forgets its best evaluation",
        LOOP, "record and record.best", "record and None",
        ("tests/training/test_patience.py::test_the_count_goes_on_where_a_run_was_killed",),
    ),
    Mutant(
        "a member that has diverged is saved",
        LOOP, "if self.diverged is None:\n            try:", "if True:\n            try:",
        members("a_member_that_diverges_leaves_the_others_alone"),
    ),
    Mutant(
        "a program goes on without members",
        LOOP, "or all(member.diverged for", "or False and all(member.diverged for",
        members("a_program_ends_with_its_last_member"),
    ),
    Mutant(
        "training takes one batch again and again",
        "training/dispatch.py", "run.data.train_picks(run.seed, number, run.batch_size)",
        "run.data.train_picks(run.seed, 0, run.batch_size)",
        ("tests/compression/test_learning.py::test_updates_by_hand",),
    ),
    Mutant(
        "an evaluation counts what fills up the last batch",
        "training/evaluation.py", "batch.mask, first)", "batch.mask | True, first)",
        ("tests/training/test_evaluator.py::test_every_example_counts_once",),
    ),
    Mutant(
        "an evaluation hands no arguments to the logits",
        "training/evaluation.py", "logits(variables, batch.images, *arguments)",
        "logits(variables, batch.images)",
        ("tests/training/test_evaluator.py::"
         "test_arguments_reach_the_logits_without_a_new_compilation",),
    ),
]  # fmt: skip
