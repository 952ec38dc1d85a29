"""Mutants of resnet_jax/sweeps."""

from mutation.mutant import Mutant

EXECUTE = "tests/sweeps/test_execute.py"
MEMBERS = "tests/sweeps/test_members.py"
TABLE = "tests/sweeps/test_table.py"
RECORDS = "tests/sweeps/test_records.py"
STATISTICS = "tests/sweeps/test_statistics.py"
JOBS = "tests/sweeps/test_jobs_of_a_sweep.py"
LOCAL = "tests/sweeps/launchers/test_local.py"
DRY_RUN = "tests/sweeps/test_dry_run.py"
EXPERIMENT = "tests/sweeps/test_experiment.py"
LAUNCHER = "sweeps/launchers/local.py"
WATCH = "tests/sweeps/test_watch.py"

MUTANTS = [
    Mutant(
        "members hand their states to each other",
        "sweeps/members.py", "_of_member(host, number)", "_of_member(host, number - 1)", (EXECUTE,),
    ),
    Mutant(
        "members are all trained from the first one's data",
        "sweeps/members.py", "stacked_picks(run, step, count)",
        "stacked_picks(self._runs[0], step, count)", (EXECUTE,),
    ),
    Mutant(
        "members have all the first one's numbers",
        "sweeps/members.py", "Constants.of(run) for",
        "Constants.of(run._replace(numbers=self._runs[0].numbers)) for", (EXECUTE,),
    ),
    Mutant(
        "members have all the first one's random choices",
        "sweeps/members.py", "Constants.of(run) for",
        "Constants.of(run._replace(seed=self._runs[0].seed)) for",
        (f"{MEMBERS}::test_members_equal_their_single_runs_bit_for_bit",),
    ),
    Mutant(
        "each member takes all the time for its own",
        "sweeps/execute.py", "status, reason, len(members))", "status, reason, 1)",
        (EXECUTE,),
    ),
    Mutant(
        "a member that diverges is done",
        "sweeps/execute.py", '"diverged" if member.diverged else "done"', '"done"', (EXECUTE,),
    ),
    Mutant(
        "a run that diverges is done",
        "sweeps/execute.py", 'status, reason, result = "diverged", str(error)',
        'status, reason, result = "done", str(error)', (EXECUTE,),
    ),
    Mutant(
        "a summary has the deviation of the whole, not of a sample",
        "sweeps/statistics.py", "array.std(ddof=1)", "array.std()", (STATISTICS,),
    ),
    Mutant(
        "an interval is as wide for many seeds as for one",
        "sweeps/statistics.py", " * std / math.sqrt(n)", " * std", (STATISTICS,),
    ),
    Mutant(
        "an interval is one of 90%",
        "sweeps/statistics.py", "stats.t.ppf(0.975, n - 1)", "stats.t.ppf(0.95, n - 1)",
        (STATISTICS,),
    ),
    Mutant(
        "two rows are compared as if their deviations were equal",
        "sweeps/statistics.py", "equal_var=False", "equal_var=True", (STATISTICS,),
    ),
    Mutant(
        "the baseline less the row",
        "sweeps/statistics.py", "np.mean(values) - np.mean(others)",
        "np.mean(others) - np.mean(values)", (STATISTICS,),
    ),
    Mutant(
        "pairs are compared as independent rows",
        "sweeps/statistics.py", "stats.ttest_rel(values, others)",
        "stats.ttest_ind(values, others)", (STATISTICS,),
    ),
    Mutant(
        "every p is multiplied by the number of comparisons",
        "sweeps/statistics.py", "np.arange(len(found), 0, -1)", "len(found)", (STATISTICS,),
    ),
    Mutant(
        "the interval of a test set takes a percentage for a share",
        "sweeps/statistics.py", "round(error / 100 * examples)", "round(error * examples / 1_000)",
        (STATISTICS,),
    ),
    Mutant(
        "p is corrected for rows of other baselines",
        "sweeps/table.py", "if row.against == baseline", "if True", (TABLE,),
    ),
    Mutant(
        "a run with another initialisation is a pair",
        "sweeps/pairs.py", '"model.dropout",', '"model.",', ("tests/sweeps/test_pairs.py",),
    ),
    Mutant(
        "a record has the first evaluation",
        "sweeps/records.py", 'test_error=_percent_wrong(lines[-1]["eval/top1"])',
        'test_error=_percent_wrong(lines[0].get("eval/top1", 1))', (RECORDS,),
    ),
    Mutant(
        "a record's training loss is that of all updates",
        "sweeps/records.py", 'line["step"] > 0.9 * last', 'line["step"] > 0', (RECORDS,),
    ),
    Mutant(
        "a record's seconds are those of one image an update",
        "reporting/timing.py", '* batch_size / line["images_per_second"]',
        '/ line["images_per_second"]', (RECORDS,),
    ),
    Mutant(
        "a record holds accuracies",
        "sweeps/records.py", "return 100 * (1 - top1)", "return 100 * top1", (RECORDS,),
    ),
    Mutant(
        "a failure is tried no second time",
        "sweeps/records.py", 'self.status != "failed"', "True", (RECORDS,),
    ),
    Mutant(
        "a record outlives a default that it was made with",
        "sweeps/records.py", "self._defaults.get(key, value) == value", "True", (RECORDS,),
    ),
    Mutant(
        "a kept record goes before that in the run's folder",
        "sweeps/records.py", "if content is None and task.address in", "if task.address in",
        (RECORDS,),
    ),
    Mutant(
        "a table takes training errors for test errors",
        "sweeps/table.py", 'test, train = line.summaries["test_error"]',
        'test, train = line.summaries["train_error"]', (TABLE,),
    ),
    Mutant(
        "a table compares a row with itself",
        "sweeps/table.py", "compare(found[row.name], found[str(row.against)],",
        "compare(found[row.name], found[row.name],", (TABLE,),
    ),
    Mutant(
        "a table counts runs that diverged among those that are done",
        "sweeps/table.py", 'for seed, record in runs.items() if record.status == "done"}',
        "for seed, record in runs.items()}", (TABLE,),
    ),
    Mutant(
        "a published effect has the wrong sign",
        "sweeps/table.py", "return value - other", "return other - value", (TABLE,),
    ),
    Mutant(
        "small runs are compared with published figures",
        "sweeps/results.py", "published_scale=scale == chosen.published_scale",
        "published_scale=True", (TABLE,),
    ),
    Mutant(
        "a report counts minutes as hours",
        "sweeps/results.py", "in line.records) / 3600", "in line.records) / 60",
        (TABLE,),
    ),
    Mutant(
        "a figure's bars are medians",
        "sweeps/figures.py", "axes.barh(place + shift, found.mean,",
        "axes.barh(place + shift, found.median,", (TABLE,),
    ),
    Mutant(
        "a figure's intervals are deviations",
        "sweeps/figures.py", "reach = found.high - found.mean", "reach = found.std", (TABLE,),
    ),
    Mutant(
        "a figure's curves are of the error",
        "sweeps/figures.py", "curve[:length, 2] for curve", "curve[:length, 1] for curve",
        (TABLE,),
    ),
    Mutant(
        "a figure shows the first seed's curve for the mean",
        "sweeps/figures.py", "losses.mean(axis=0)", "losses[0]", (TABLE,),
    ),
    Mutant(
        "a figure takes seconds for minutes",
        "sweeps/figures.py", 'statistics.median(line.values("seconds")) / 60',
        'statistics.median(line.values("seconds"))', (TABLE,),
    ),
    Mutant(
        "activations are counted as arithmetic",
        "sweeps/costs.py", "sum(layer.flops for layer in layers)",
        "sum(layer.output_bytes for layer in layers)", (TABLE,),
    ),
    Mutant(
        "a plan forgets the backward pass",
        "analysis/counts.py", "PASSES = 3", "PASSES = 1", (DRY_RUN,),
    ),
    Mutant(
        "a plan takes one run of a row for all",
        "sweeps/dry_run.py", "count * flops[row] / rate(row)", "flops[row] / rate(row)",
        (DRY_RUN,),
    ),
    Mutant(
        "a plan's time is that of one process",
        "sweeps/dry_run.py", "duration(item.seconds / at_once)", "duration(item.seconds)",
        (DRY_RUN,),
    ),
    Mutant(
        "a plan counts the time of runs that failed",
        "sweeps/dry_run.py", "seconds[task.row.name] += record.seconds", "pass", (DRY_RUN,),
    ),
    Mutant(
        "all runs are members of one program",
        "sweeps/jobs.py", "if key not in together}", "if not together}",
        (f"{JOBS}::test_runs_of_one_program_are_grouped_by_what_they_differ_in",),
    ),
    Mutant(
        "a process that fails undoes its finished members",
        "sweeps/jobs.py", "if not records.is_over(workdir):", "if True:",
        (f"{JOBS}::test_a_failure_of_the_process_leaves_finished_members_alone",),
    ),
    Mutant(
        "a job's configurations get the folders of others",
        "sweeps/jobs.py", "zip(job.configs, job.workdirs, strict=True)",
        "zip(job.configs, job.workdirs[::-1], strict=True)",
        (f"{JOBS}::test_the_command_line_of_a_job",),
    ),
    Mutant(
        "on this machine a hundred processes run at once",
        LAUNCHER, "Launcher(run, at_once)", "Launcher(run, lambda scale: 100)",
        (f"{LOCAL}::test_how_many_processes_run_at_once_where_nobody_says",),
    ),
    Mutant(
        "Slurm gets one job at a time",
        "sweeps/launchers/slurm.py", "at_once=lambda scale: 100", "at_once=lambda scale: 1",
        (f"{LOCAL}::test_how_many_processes_run_at_once_where_nobody_says",),
    ),
    Mutant(
        "processes share one core",
        LAUNCHER, "cores[(slot * size + i) % len(cores)]", "cores[i % len(cores)]",
        (f"{LOCAL}::test_processes_share_the_cores",),
    ),
    Mutant(
        "one process more than asked runs at a time",
        LAUNCHER, "for slot in range(at_once):", "for slot in range(at_once + 1):",
        (f"{LOCAL}::test_no_more_run_at_once_than_asked",),
    ),
    Mutant(
        "the runs of a row come before those of the next",
        "sweeps/experiment.py", "for seed in range(seeds):\n        for row in lines:",
        "for row in lines:\n        for seed in range(seeds):",
        (f"{EXPERIMENT}::test_rows_and_seeds_make_runs_all_rows_first",),
    ),
    Mutant(
        "every seed is seed 0",
        "sweeps/experiment.py", 'f"seed={seed}"', '"seed=0"',
        (f"{EXPERIMENT}::test_rows_and_seeds_make_runs_all_rows_first",),
    ),
    Mutant(
        "every row is compared with the first",
        "sweeps/experiment.py", "against=row.against or names[0]", "against=names[0]",
        (f"{EXPERIMENT}::test_rows_and_seeds_make_runs_all_rows_first",),
    ),
    Mutant(
        "an address does not say by how much a run differs",
        "sweeps/experiment.py", "json.dumps(changes, sort_keys=True)",
        "json.dumps(sorted(changes), sort_keys=True)",
        (f"{EXPERIMENT}::test_the_address_of_what_computes_something_else_is_another",),
    ),
    Mutant(
        "the live table shows the first step of a run under way",
        "sweeps/watch.py", "steps[-1].decode()", "steps[0].decode()", (WATCH,),
    ),
    Mutant(
        "the live table tells of runs that are still under way",
        "sweeps/watch.py", "or self._store.workdir(task) in running:", ":", (WATCH,),
    ),
]  # fmt: skip
