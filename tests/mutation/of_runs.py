"""Mutants of what a run knows, keeps and answers."""

from mutation.mutant import Mutant

CHECKPOINT, RECORD = "training/checkpoint.py", "training/record.py"
OF_CHECKPOINTS = "tests/training/test_checkpoint.py"
OF_DAMAGE = "tests/training/test_damaged_checkpoints.py"
IDENTITY = "tests/assembly/test_identity.py"
LABELS = "data/sources/label_file.py"
OF_LABELS = "tests/data/sources/test_label_file.py"

MUTANTS = [
    Mutant(
        "arrays are not compared with their checksum",
        CHECKPOINT, '!= record.arrays:', '!= record.arrays and False:',
        (OF_DAMAGE,),
    ),
    Mutant(
        "a checkpoint does not know its step",
        CHECKPOINT, 'if (found := int(restored["state"].step)) != step:',
        'if (found := int(restored["state"].step)) < 0:',
        (OF_DAMAGE,),
    ),
    Mutant(
        "a checkpoint of another run is taken",
        CHECKPOINT, "if difference:", "if difference and False:",
        (f"{OF_DAMAGE}::test_a_checkpoint_of_another_run_counts_as_damaged",),
    ),
    Mutant(
        "a reader calls a deleted checkpoint damaged",
        CHECKPOINT, "if not sets_aside and self._is_deleted(candidate):", "if False:",
        ("tests/training/test_readers.py::test_a_thousand_reads_beside_a_process_that_saves",),
    ),
    Mutant(
        "a reader cleans up what another process writes",
        CHECKPOINT, "cleanup_tmp_directories=self._writes", "cleanup_tmp_directories=True",
        (f"{OF_CHECKPOINTS}::"
         "test_half_written_checkpoint_is_ignored_and_goes_with_the_next_save",),
    ),
    Mutant(
        "a changed record is believed",
        RECORD, '_of_json(fields) != content.get("record")', "not fields",
        ("tests/training/test_record.py::test_no_changed_byte_goes_unnoticed",),
    ),
    Mutant(
        "damaged metrics stay",
        RECORD, "if right is not None:", "if right is None:",
        (OF_DAMAGE,),
    ),
    Mutant(
        "an evaluation that fails loses the steps before it",
        "training/loop.py", "member.save(own, failed=True)", "pass",
        ("tests/training/test_loop.py::test_an_evaluation_that_fails_loses_no_step",),
    ),
    Mutant(
        "labels keep the numbers of another order",
        "data/sources/classes.py", "labels=table[examples.labels]", "labels=examples.labels",
        ("tests/data/sources/test_classes.py",),
    ),
    Mutant(
        "a run takes the classes that its data have today",
        "assembly/inputs.py", 'options["class_names"] = self._known.class_names', "pass",
        (IDENTITY,),
    ),
    Mutant(
        "a run goes on with other training images",
        "assembly/run_folder.py", "before.examples != data.examples", "before.examples < 0",
        (IDENTITY,),
    ),
    Mutant(
        "a run whose config.json is lost is a new one",
        "assembly/run_folder.py", "return found.config", "return facts(load(workdir))",
        (IDENTITY,),
    ),
    Mutant(
        "two processes train one run",
        "assembly/lock.py", "except BlockingIOError:", "except ZeroDivisionError:",
        (f"{IDENTITY}::test_a_second_process_does_not_train_and_a_dead_one_holds_nothing",),
    ),
    Mutant(
        "what may be numbers or names is taken for names",
        LABELS, "and named != counted:", "and False:", (OF_LABELS,),
    ),
    Mutant(
        "the last of two lines that disagree counts",
        LABELS, "if numbers[before.label] != numbers[line.label]:", "if False:",
        (f"{OF_LABELS}::test_wrong_lines_are_named",),
    ),
    Mutant(
        "a sink that fails stops training",
        "reporting/reports.py", "except OSError as error:", "except ZeroDivisionError as error:",
        ("tests/reporting/test_reports.py::"
         "test_a_sink_that_fails_is_named_once_and_stops_no_other",),
    ),
]  # fmt: skip
