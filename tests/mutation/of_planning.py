"""Mutants of resnet_jax/planning."""

from mutation.mutant import Mutant

KERNELS = "tests/planning/test_kernels.py"
COSTLY = "tests/planning/test_costly.py"
CARDS = "tests/planning/test_cards.py"
HARDWARE = "tests/planning/test_hardware.py"
SCALING = "tests/planning/test_scaling.py"
COMPILED = "tests/planning/test_compiled.py"

MUTANTS = [
    Mutant(
        "a fusion reads all of an array that it takes a row of",
        "planning/kernels.py", "if user.opcode in SLICES and", "if not user and", (KERNELS,),
    ),
    Mutant(
        "an update in place writes the whole array",
        "planning/kernels.py", "if output.opcode in UPDATES:", "if not output:", (KERNELS,),
    ),
    Mutant(
        "a loop counts once",
        "planning/kernels.py", 'times * int(trips["n"])', "times", (KERNELS, COMPILED),
    ),
    Mutant(
        "a library's scratch memory is traffic",
        "planning/kernels.py", "results = results[:-1]", "pass", (KERNELS,),
    ),
    Mutant(
        "the gradient of a kernel costs its own size",
        "planning/kernels.py", "(operands[1], result)", "(result, operands[1])", (KERNELS,),
    ),
    Mutant(
        "zeros between inputs take part in products",
        "planning/kernels.py", "/ features / inserted", "/ features", (KERNELS,),
    ),
    Mutant(
        "a collective's start counts its operands too",
        "planning/compiled.py", "results[operands : 2 * operands]", "results", (COMPILED,),
    ),
    Mutant(
        "only what XLA itself convolves is a convolution",
        "planning/kernels.py", 'instruction.target.startswith("__cudnn$conv")', "False",
        (KERNELS, COSTLY),
    ),
    Mutant(
        "a float32 convolution is as good as a bfloat16 one",
        "planning/costly.py", "1) > widest", "1) > 2 * widest", (COSTLY,),
    ),
    Mutant(
        "a sort by a library is no sort",
        "planning/costly.py", 'or "Sort" in instruction.target', "", (COSTLY,),
    ),
    Mutant(
        "cards of all hosts stand in one",
        "planning/cards.py", "return ceil(self.chips / HOST)", "return 1", (CARDS,),
    ),
    Mutant(
        "a compiler's variables outlive it",
        "planning/compilers.py", "os.environ.pop(name, None)", "pass", (HARDWARE,),
    ),
    Mutant(
        "a kernel takes its arithmetic and its traffic one after the other",
        "planning/calibration.py",
        "max(computing / shares.arithmetic, moving / shares.bandwidth)",
        "computing / shares.arithmetic + moving / shares.bandwidth", (SCALING,),
    ),
    Mutant(
        "kernels start at once",
        "planning/calibration.py", "(shares.start + longer)", "longer", (SCALING,),
    ),
]  # fmt: skip
