"""Mutants of the random changes to a batch of images."""

from mutation.mutant import Mutant

FILE = "data/changes/augment.py"
ORDER = "data/order.py"
TESTS = "tests/data/changes/test_augment.py"


def erasing(name: str) -> tuple[str, ...]:
    return (f"{TESTS}::test_{name}",)


MUTANTS = [
    Mutant(
        "random erasing ignores its probability",
        FILE, "bernoulli(choice_key, probability,", "bernoulli(choice_key, 1.0,",
        erasing("erasing_happens_as_often_as_it_says"),
    ),
    Mutant(
        "random erasing ignores its lower area bound",
        FILE, "minval=area[0]", "minval=0.0",
        erasing("an_erased_rectangle_has_the_area_and_the_aspect_that_are_asked"),
    ),
    Mutant(
        "random erasing ignores its upper area bound",
        FILE, "maxval=area[1]", "maxval=0.5",
        erasing("an_erased_rectangle_has_the_area_and_the_aspect_that_are_asked"),
    ),
    Mutant(
        "random erasing inverts the aspect",
        FILE, "(math.log(bound) for bound in aspect)", "(-math.log(bound) for bound in aspect)",
        erasing("an_erased_rectangle_has_the_area_and_the_aspect_that_are_asked"),
    ),
    Mutant(
        "random erasing draws the aspect evenly on its own scale",
        FILE, "jnp.exp(jax.random.uniform(aspect_key, (batch, 10), minval=low, maxval=high",
        "(jax.random.uniform(aspect_key, (batch, 10), minval=aspect[0], maxval=aspect[1]",
        erasing("an_erased_rectangle_has_the_area_and_the_aspect_that_are_asked"),
    ),
    Mutant(
        "random erasing never reaches the last row",
        FILE, "(height - chosen_height + 1)", "(height - chosen_height)",
        erasing("erased_rectangles_lie_everywhere_inside"),
    ),
    Mutant(
        "random erasing takes the first draw whether it fits or not",
        FILE, "jnp.argmax(fits, axis=1, keepdims=True)", "jnp.zeros((batch, 1), jnp.int32)",
        erasing("the_first_rectangle_that_fits_is_erased"),
    ),
    Mutant(
        "random erasing shares its random numbers with the crop",
        FILE, "lambda key: jax.random.fold_in(key, 3)", "_third(0)",
        erasing("erasing_has_random_numbers_of_its_own"),
    ),
    Mutant(
        "random crop never takes the last corner",
        FILE, "0, 2 * pad + 1, jnp.int32", "0, 2 * pad, jnp.int32",
        erasing("crop_is_a_shift_of_the_padded_image_and_every_shift_occurs"),
    ),
    Mutant(
        "random flip mirrors a quarter of the images",
        FILE, "bernoulli(key, 0.5,", "bernoulli(key, 0.25,",
        erasing("flip_mirrors_about_half_of_the_images"),
    ),
    Mutant(
        "random flip mirrors top and bottom",
        FILE, "images[:, :, ::-1]", "images[:, ::-1]",
        erasing("flip_mirrors_about_half_of_the_images"),
    ),
    Mutant(
        "random cutout begins at its centre",
        FILE, "centres - size // 2", "centres",
        erasing("cutout_erases_a_square_around_a_pixel"),
    ),
    Mutant(
        "inner cutout never reaches the last row",
        FILE, "- size + 1\n", "- size\n",
        erasing("inner_cutout_erases_a_whole_square_at_every_place_equally_often"),
    ),
    Mutant(
        "alternating flips begin with the same side for all images",
        ORDER, "draw.random(examples) < 0.5", "draw.random(examples) < 0",
        ("tests/data/test_resident.py",),
    ),
    Mutant(
        "alternating flips alternate with batches",
        ORDER, "times = places // examples", "times = start // count",
        ("tests/data/test_resident.py",),
    ),
    Mutant(
        "shifted views are both moved up and left",
        "data/images/views.py", "(0, -self.shift, self.shift)", "(0, -self.shift, -self.shift)",
        ("tests/data/images/test_views.py",),
    ),
    Mutant(
        "shifted views of small images repeat the edge",
        "data/resident.py", '"reflect")', '"edge")',
        ("tests/data/test_resident.py",),
    ),
    Mutant(
        "normalisation takes pixels from 0 to 256",
        FILE, "images.astype(dtype) / 255", "images.astype(dtype) / 256",
        erasing("normalise_is_arithmetic"),
    ),
]  # fmt: skip
