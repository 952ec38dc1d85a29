"""Mutants of resnet_jax/compression."""

from mutation.mutant import Mutant

TESTS = "tests/compression/test_compression.py"
LEARNED = "tests/compression/test_learning.py"
METHODS = "tests/compression/test_methods.py"
METHODS_FILE = "compression/methods.py"
LEARNING = "compression/learning.py"
PRUNING = "compression/pruning.py"
FOLDING = "compression/folding.py"
QUANTISATION = "compression/quantisation.py"


def method(name: str) -> tuple[str, ...]:
    return (f"{METHODS}::test_{name}",)


def test(name: str) -> tuple[str, ...]:
    return (f"{TESTS}::test_{name}",)


def learned(name: str) -> tuple[str, ...]:
    return (f"{LEARNED}::test_{name}",)


MUTANTS = [
    Mutant(
        "folding forgets the norm's epsilon",
        FOLDING, 'own["var"] + epsilon', 'own["var"]', test("a_folded_kernel_by_hand"),
    ),
    Mutant(
        "folding takes the usual epsilon for the network's",
        FOLDING, 'options_of(layers.norm)["epsilon"]', "1e-5",
        test("a_folded_kernel_by_hand"),
    ),
    Mutant(
        "folding adds the mean",
        FOLDING, '- own["mean"]) * factor', '+ own["mean"]) * factor',
        test("a_folded_kernel_by_hand"),
    ),
    Mutant(
        "pruning keeps the smallest values",
        PRUNING, "sizes[len(sizes) - count]", "sizes[count]",
        test("magnitude_keeps_the_largest_of_all_kernels"),
    ),
    Mutant(
        "pruning masks biases too",
        PRUNING, "if leaf.ndim > 1 else jnp.ones(leaf.shape, bool)", "",
        test("magnitude_keeps_the_largest_of_all_kernels"),
    ),
    Mutant(
        "pruning of channels does not look at the norm's variance",
        PRUNING, ' / jnp.sqrt(variance + epsilon)', "",
        test("channels_count_as_their_norm_scales_them"),
    ),
    Mutant(
        "pruning of channels does not look at the norm's scale",
        PRUNING, "sizes * jnp.abs(scale)", "sizes",
        test("channels_count_as_their_norm_scales_them"),
    ),
    Mutant(
        "pruning keeps the smallest channels",
        PRUNING, "np.argsort(-np.asarray(sizes)", "np.argsort(np.asarray(sizes)",
        method("structured"),
    ),
    Mutant(
        "pruning takes the wrong inputs of the next convolution",
        PRUNING, '["kernel"][:, :, chosen]', '["kernel"][:, :, :count]', method("structured"),
    ),
    Mutant(
        "distillation does not scale by the temperature",
        LEARNING, "share * temperature**2 * softened", "share * softened",
        learned("distillation_by_hand"),
    ),
    Mutant(
        "distillation divides the student's logits alone",
        LEARNING, "batch.teacher_logits / temperature)", "batch.teacher_logits)",
        learned("distillation_by_hand"),
    ),
    Mutant(
        "distillation counts the classes in full",
        LEARNING, "(1 - share) * of_classes", "of_classes", learned("distillation_by_hand"),
    ),
    Mutant(
        "divergence of the teacher from the student",
        LEARNING, "(log_teacher - log_student)", "(log_student - log_teacher)",
        learned("distillation_by_hand"),
    ),
    Mutant(
        "learning goes on at one rate",
        LEARNING, "optax.cosine_decay_schedule(1.0, steps)", "optax.constant_schedule(1.0)",
        learned("updates_by_hand"),
    ),
    Mutant(
        "learning has another momentum",
        LEARNING, "momentum=0.9", "momentum=0.8", learned("updates_by_hand"),
    ),
    Mutant(
        "learning has no weight decay",
        LEARNING, "add_decayed_weights(weight_decay)", "add_decayed_weights(0.0)",
        learned("updates_by_hand"),
    ),
    Mutant(
        "a teacher sees one batch again and again",
        LEARNING, "self._data.train_picks(seed, step, batch_size)",
        "self._data.train_picks(seed, 0, batch_size)", learned("updates_by_hand"),
    ),
    Mutant(
        "learning ignores its seed",
        LEARNING, "seed=seed,", "seed=0,", learned("updates_by_hand"),
    ),
    Mutant(
        "learning fills pruned values again",
        LEARNING, "masked(updates, mask)", "updates", learned("what_is_masked_stays_at_zero"),
    ),
    Mutant(
        "a teacher always sees the student's crop",
        LEARNING, 'batch if self._consistent else self._data.eval_batch(arrays["data"], picks)',
        "batch", learned("the_teacher_sees_the_students_crop_or_the_image_as_it_is"),
    ),
    Mutant(
        "magnitude learns without its mask",
        METHODS_FILE, "rate=rate, mask=mask,", "rate=rate,", method("magnitude"),
    ),
    Mutant(
        "magnitude counts the arithmetic of zeros",
        METHODS_FILE, "layer.flops * shares.get(layer.name, 1)", "layer.flops",
        method("magnitude"),
    ),
    Mutant(
        "magnitude counts zeros among the parameters",
        METHODS_FILE, "leaf.sum() for leaf in jax.tree.leaves(mask)",
        "leaf.size for leaf in jax.tree.leaves(mask)", method("magnitude"),
    ),
    Mutant(
        "structured does not learn on",
        METHODS_FILE, "_whole(model, found, subject)", "_whole(model, start, subject)",
        method("structured"),
    ),
    Mutant(
        "distil makes a student as deep as its teacher",
        METHODS_FILE, "stage_depths=(depths,) * len(subject.model.stage_depths)", "",
        method("distil"),
    ),
    Mutant(
        "distil takes share and temperature for each other",
        METHODS_FILE, "objective=distillation(temperature, share)",
        "objective=distillation(share, temperature)", method("distil"),
    ),
    Mutant(
        "int8_aware quantises the network before it has learned",
        METHODS_FILE, "return _quantised(model, found, subject)",
        "return _quantised(model, variables, subject)", method("int8_aware"),
    ),
    Mutant(
        "int8 writes the tensors of the folded network",
        METHODS_FILE, "tensors=tensors(params)", "tensors=whole.tensors", method("int8"),
    ),
    Mutant(
        "figures take the slowest pass",
        METHODS_FILE, "np.median(times)", "np.max(times)", method("the_network_as_it_is"),
    ),
    Mutant(
        "figures count seconds as milliseconds",
        METHODS_FILE, '1e3 * _seconds', "_seconds", method("the_network_as_it_is"),
    ),
    Mutant(
        "figures count the bytes without packing them",
        METHODS_FILE, "len(zlib.compress(content, 9))", "len(content)",
        method("the_network_as_it_is"),
    ),
    Mutant(
        "quantisation scales activations over the whole batch",
        QUANTISATION, "jnp.float32), jnp.int8, channelwise_axes=[0])",
        "jnp.float32), jnp.int8, channelwise_axes=[])",
        test("int8_is_near_the_network_and_a_quarter_of_its_size"),
    ),
    Mutant(
        "quantisation has one scale for a kernel",
        QUANTISATION, "channelwise_axes=[leaf.ndim - 1]", "channelwise_axes=[]",
        test("int8_is_near_the_network_and_a_quarter_of_its_size"),
    ),
    Mutant(
        "rounding passes no gradient",
        QUANTISATION, "x + lax.stop_gradient(near.astype(x.dtype) - x)", "near.astype(x.dtype)",
        test("the_gradient_passes_the_rounding"),
    ),
]  # fmt: skip
