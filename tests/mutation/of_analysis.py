"""Mutants of resnet_jax/analysis."""

from mutation.mutant import Mutant

STUDIES = "tests/analysis/test_studies.py"
MEASURES = "tests/analysis/test_measures.py"
GENERALISES = ("tests/analysis/test_generalisation.py::test_generalisation",)
LESION = "analysis/studies/lesion.py"
LANDSCAPE = "analysis/studies/landscape.py"
SHARPNESS = "analysis/studies/sharpness.py"
GENERALISATION = "analysis/studies/generalisation.py"
SIMILARITY = "analysis/studies/similarity.py"
COST = "analysis/studies/cost.py"
FIELD = "analysis/studies/receptive_field.py"
POOLING = "models/pooling.py"
FLOW = "analysis/studies/gradient_flow.py"
FIELDS = "tests/analysis/test_receptive_field.py"
SCORECARD = "tests/analysis/test_scorecard.py"


def study(name: str) -> tuple[str, ...]:
    return (f"{STUDIES}::test_{name}",)


MUTANTS = [
    Mutant(
        "lesion deletes no single block",
        LESION, "kept[number] = False", "kept[number] = True", study("lesion"),
    ),
    Mutant(
        "lesion deletes none of several blocks",
        LESION, "count, replace=False)] = False", "count, replace=False)] = True", study("lesion"),
    ),
    Mutant(
        "lesion of several blocks deletes one",
        LESION, "draw.choice(candidates, count,", "draw.choice(candidates, 1,", study("lesion"),
    ),
    Mutant(
        "lesion shuffles no variables",
        LESION, "scores(shuffled(variables, model, order), whole)", "scores(variables, whole)",
        study("lesion"),
    ),
    Mutant(
        "lesion looks at training images",
        LESION, 'subject.examples("test", examples))', 'subject.examples("train", examples))',
        study("lesion"),
    ),
    Mutant(
        "lesion counts opening blocks among the inner ones",
        LESION, 'if not name.endswith("block1")]', 'if name.endswith("block1")]', study("lesion"),
    ),
    Mutant(
        "lesion draws accuracies in place of errors",
        LESION, "errors = [100 * (1 - top1)", "errors = [100 * top1", study("lesion"),
    ),
    Mutant(
        "lesion of a plain network deletes what changes the shape",
        LESION, "if x == y or at_ends]", "if True]", study("lesion_of_a_plain_network"),
    ),
    Mutant(
        "path gradients mark no block",
        LESION, "length, replace=False)] = True", "length, replace=False)] = False",
        study("lesion"),
    ),
    Mutant(
        "path gradients run along the shortcut where they mark the branch",
        LESION, "jnp.where(through[number], lax.stop_gradient(x), x)",
        "jnp.where(through[number], x, lax.stop_gradient(x))", study("lesion"),
    ),
    Mutant(
        "path lengths count all paths once",
        LESION, "comb(blocks, length) / 2**blocks", "1 / (blocks + 1)",
        ("tests/analysis/test_lesion.py::test_two_blocks_have_four_paths",),
    ),
    Mutant(
        "landscape takes one direction twice",
        LANDSCAPE, "direction(params, key) for key", "direction(params, keys[0]) for key",
        study("landscape"),
    ),
    Mutant(
        "landscape looks at test images",
        LANDSCAPE, 'subject.examples("train", examples)', 'subject.examples("test", examples)',
        study("landscape"),
    ),
    Mutant(
        "landscape's line follows the second direction",
        LANDSCAPE, "subject.variables, first, np", "subject.variables, second, np",
        study("landscape"),
    ),
    Mutant(
        "landscape goes from the other network to this one",
        LANDSCAPE, "between(scores, subject.variables, other.variables, places)",
        "between(scores, other.variables, subject.variables, places)", study("landscape"),
    ),
    Mutant(
        "landscape's highest loss lies outside the two networks",
        LANDSCAPE, "if 0 <= t <= 1]", "if not 0 <= t <= 1]", study("landscape"),
    ),
    Mutant(
        "landscape's filters keep the size that they were drawn with",
        LANDSCAPE, "drawn * own / jnp.maximum(its, jnp.finfo(leaf.dtype).tiny)", "drawn",
        (f"{MEASURES}::test_a_direction_has_the_norms_of_the_filters_and_leaves_norms_alone",),
    ),
    Mutant(
        "landscape moves along one direction only",
        LANDSCAPE, "move(variables[\"params\"], directions, (a, b))",
        "move(variables[\"params\"], directions, (a, a))",
        (f"{MEASURES}::test_a_surface_has_the_loss_of_every_place",),
    ),
    Mutant(
        "sharpness sums the losses",
        SHARPNESS, "integer_labels(logits, labels).mean()", "integer_labels(logits, labels).sum()",
        study("sharpness"),
    ),
    Mutant(
        "sharpness looks at test images",
        SHARPNESS, 'subject.examples("train", examples)', 'subject.examples("test", examples)',
        study("sharpness"),
    ),
    Mutant(
        "sharpness takes the eigenvalues of the largest size",
        SHARPNESS, 'which="LA"', 'which="LM"',
        (f"{MEASURES}::test_eigenvalues_of_a_quadratic_and_of_a_linear_network",),
    ),
    Mutant(
        "generalisation swaps worst and best",
        GENERALISATION, "argsort(-test.losses", "argsort(test.losses", GENERALISES,
    ),
    Mutant(
        "generalisation inverts the corruption error",
        GENERALISATION, "append(1 - evaluate(", "append(evaluate(", GENERALISES,
    ),
    Mutant(
        "generalisation measures the gap between test and test",
        GENERALISATION, 'subject.examples("train", examples)', 'subject.examples("test", examples)',
        GENERALISES,
    ),
    Mutant(
        "generalisation corrupts at severity 1 alone",
        GENERALISATION, "corrupt(original, name, severity,", "corrupt(original, name, 1,",
        GENERALISES,
    ),
    Mutant(
        "generalisation undoes the normalisation with mean and std exchanged",
        GENERALISATION, "examples.images * std + mean", "examples.images * mean + std",
        GENERALISES,
    ),
    Mutant(
        "generalisation says that the right class was predicted",
        GENERALISATION, '"predicted": subject.class_names[test.predicted[index]]',
        '"predicted": subject.class_names[test.labels[index]]', GENERALISES,
    ),
    Mutant(
        "generalisation counts each pair of classes one way",
        GENERALISATION, "np.triu(counts + counts.T, k=1)", "np.triu(counts, k=1)",
        GENERALISES,
    ),
    Mutant(
        "similarity ignores --other",
        SIMILARITY, 'batch = subject.examples("test"',
        'other, batch = None, subject.examples("test"',
        study("similarity"),
    ),
    Mutant(
        "similarity takes a block for its own neighbour",
        SIMILARITY, "np.diagonal(table, offset=1)", "np.diagonal(table)", study("similarity"),
    ),
    Mutant(
        "similarity compares examples with themselves",
        SIMILARITY, "others = grams * (1 - np.eye(n))", "others = grams", study("similarity"),
    ),
    Mutant(
        "block cost does not divide traffic by the batch",
        COST, "traffic_bytes=traffic / batch_size", "traffic_bytes=traffic", study("cost"),
    ),
    Mutant(
        "block cost does not divide time by the batch",
        COST, "seconds=seconds / batch_size", "seconds=seconds", study("cost"),
    ),
    Mutant(
        "block cost takes the slowest pass",
        COST, "np.median(seconds)", "np.max(seconds)", study("cost"),
    ),
    Mutant(
        "block cost measures the first block of a stage for all of them",
        COST, 'row.name.endswith("block1"))', "True)",
        (f"{MEASURES}::test_a_block_of_its_own_is_measured_on_its_input",),
    ),
    Mutant(
        "receptive field: maxima before a blur have stride 2",
        POOLING, "windows=((3, 1), (3, 2))", "windows=((3, 2), (3, 1))",
        (f"{FIELDS}::test_fields_behind_every_pool",),
    ),
    Mutant(
        "receptive field: a blur is as wide as a mean",
        POOLING, "Pool(blur_pool, windows=((3, 2),))", "Pool(blur_pool, windows=((2, 2),))",
        (f"{FIELDS}::test_every_pixel_of_the_field_counts_and_none_beside_it",),
    ),
    Mutant(
        "receptive field: strides are not multiplied",
        FIELD, "(kernel - 1) * self.stride, self.stride * stride",
        "(kernel - 1) * self.stride, stride", study("receptive_field"),
    ),
    Mutant(
        "receptive field of a stage's first block in place of its last",
        FIELD, "if name.block == subject.model.stage_depths[\n        name.stage - 1]",
        "if name.block == 1", study("receptive_field"),
    ),
    Mutant(
        "receptive field: a square of as many pixels has their number for a side",
        FIELD, "np.sqrt((sizes > 1 - 0.9545).sum())", "(sizes > 1 - 0.9545).sum()",
        (f"{FIELDS}::test_the_side_of_an_effective_field",),
    ),
    Mutant(
        "gradient flow measures the trained network at every step",
        FLOW, "measure(subject.model, own, batch, subject.seed)",
        "measure(subject.model, subject.variables, batch, subject.seed)", study("gradient_flow"),
    ),
    Mutant(
        "gradient flow looks at test images",
        FLOW, 'subject.examples("train", examples)', 'subject.examples("test", examples)',
        study("gradient_flow"),
    ),
    Mutant(
        "gradient flow: the last block's gradient as a share of the first's",
        FLOW, "self.input_gradient[0] / self.input_gradient[-1]",
        "self.input_gradient[-1] / self.input_gradient[0]", study("gradient_flow"),
    ),
    Mutant(
        "gradient flow starts its twins from seed 0",
        FLOW, "initial_variables(model, subject.image_shape, subject.seed)",
        "initial_variables(model, subject.image_shape, 0)",
        study("gradient_flow_starts_its_twins_from_the_seed"),
    ),
    Mutant(
        "gradient flow: pre-activated twins are as the original",
        FLOW, 'ARRANGEMENTS["full_preactivation"]', 'ARRANGEMENTS["original"]',
        ("tests/analysis/test_gradient_flow.py::"
         "test_twins_differ_in_shortcuts_order_and_norm_alone",),
    ),
    Mutant(
        "gradient flow: squares of tiny gradients vanish",
        FLOW, "jnp.where(largest > 0, largest, 1)", "1.0",
        ("tests/analysis/test_gradient_flow.py::test_a_norm_of_tiny_values_does_not_vanish",),
    ),
    Mutant(
        "scorecard sums the accuracies of a set's parts",
        "analysis/scorecard.py", 'for values in own) / len(own)', "for values in own)",
        (f"{SCORECARD}::test_parts_of_a_set_come_together",),
    ),
    Mutant(
        "scorecard takes accuracies for errors",
        "analysis/scorecard.py", '1 - values["top1"]', 'values["top1"]',
        (f"{SCORECARD}::test_parts_of_a_set_come_together",),
    ),
    Mutant(
        "mean corruption error does not divide by AlexNet's",
        "analysis/published.py", "len(errors[name]) / alexnet for", "len(errors[name]) for",
        (f"{SCORECARD}::test_alexnet_has_a_mean_corruption_error_of_one",),
    ),
    Mutant(
        "Grad-CAM looks at the first block",
        "analysis/explanation.py", "last = len(names(model)) - 1", "last = 0",
        ("tests/analysis/test_explanation.py",),
    ),
    Mutant(
        "Grad-CAM explains one class for all images",
        "analysis/explanation.py", "jnp.take_along_axis(found_logits, classes[:, None], axis=1)",
        "found_logits[:, classes[0]]", ("tests/analysis/test_explanation.py",),
    ),
    Mutant(
        "scores count what fills up the last batch",
        "analysis/subject.py", "picks.mask)", "picks.mask | True)",
        (f"{MEASURES}::test_scores_count_every_example_once",),
    ),
]  # fmt: skip
