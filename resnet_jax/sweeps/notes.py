"""What the figures of an experiment's table are, in words that stand below it."""

from resnet_jax.sweeps.table import Line


def notes(table: list[Line]) -> list[str]:
    """What the figures of this table are, a paragraph each."""
    found = [
        "Means and sample standard deviations over n seeds; the 95% interval is that of the mean"
        " over seeds, by Student's t. Training figures are means over the last tenth of the"
        " updates, of the images as training saw them."
    ]
    compared = [line.comparisons["test_error"] for line in table]
    if any(compared):
        found.append(
            "A comparison has the difference of the means, its 95% interval and p, by Welch's"
            " t-test; where it says 'paired', runs of one seed share initial parameters and the"
            " order of the images, and the test is of the seeds' differences. 'Holm' is p"
            " corrected for all rows that are compared with the same row, where that changes it;"
            " intervals are each of one comparison."
        )
    if any(line.left_out for line in table):
        found.append(
            "Runs that diverged or failed are left out of means, intervals and comparisons, which"
            " are then of the runs that ended well alone; beside the interval stands how many."
        )
    if any(line.summaries["test_error"] and line.summaries["test_error"].n == 2 for line in table):
        found.append(
            "Two runs say little of their spread: the interval of a mean reaches 12.7 standard"
            " errors to each side, so that it shows nothing but effects many times as large as the"
            " difference between two seeds, and one that holds 0 does not speak against an effect."
        )
    gains = [
        line.summaries["last_minus_best"]
        for line in table
        if any(len(record.test_curve) > 1 for record in line.records)
    ]
    if found_gains := [gain.mean for gain in gains if gain]:
        found.append(
            "'Best' is the least of the test errors after each epoch, so that the test set itself"
            " chooses it: it flatters a network. Here the last error is"
            f" {sum(found_gains) / len(found_gains):.2f} points above the best in the mean of the"
            " rows."
        )
    if any(line.of_test_set for line in table):
        found.append(
            "'Test set alone' is the 95% interval (Wilson's, of a share) that the number of test"
            " images gives a network with this error: how far the error may be from that on all"
            " such images, whatever the seeds. Rows share the images, so their differences are"
            " less uncertain than that."
        )
    return found
