"""The training loop: for each step train, report, evaluate and save.

A run trains alone or as one member of a program that trains several; the loop is the same.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache, partial
from typing import Protocol

from resnet_jax.tables import Diverged, UserError
from resnet_jax.training.checkpoint import Checkpoints
from resnet_jax.training.dispatch import Dispatch
from resnet_jax.training.interruption import Interruption
from resnet_jax.training.meter import Meter, Reporter, Watcher
from resnet_jax.training.profile import Profile
from resnet_jax.training.run import Compiling, Metrics, Run
from resnet_jax.training.state import TrainState, Tree


class Program(Protocol):
    """Makes updates of runs that are all at one step; see Dispatch, and sweeps.members."""

    def join(self, states: Sequence[TrainState]) -> Tree: ...
    def split(self, state: Tree) -> Sequence[TrainState]: ...
    def __call__(self, state: Tree, step: int, count: int) -> tuple[Tree, Sequence[Tree]]: ...


# (runs, what to enter while a step is compiled) -> their program
MakeProgram = Callable[[Sequence[Run], Compiling], Program]


class Member:
    """A run that is trained, alone or together with others, from its newest checkpoint on.

    Args:
      checkpoints: of the run; None: it starts anew, and nothing is saved.

    Attributes:
      step: updates made.
      state: the state last saved or restored; the next update may delete its arrays.
      best: step and top-1 of the best evaluation so far, the first of equal ones, where the run has
        patience; None: there was none.
      diverged: why the run can't go on, or None.
    """

    def __init__(self, run: Run, checkpoints: Checkpoints | None, reporter: Reporter):
        self.run = run
        self._checkpoints = checkpoints
        restored = None if checkpoints is None else checkpoints.restore(run.abstract_state)
        # Only a new run reads the weights that it starts from.
        self.state = restored or run.create_state()
        self.step = int(self.state.step)
        self.diverged: Diverged | None = None
        reporter.rewind(self.step)
        self._meter = Meter(reporter, run.batch_size, run.report_every)
        self._watcher = reporter if isinstance(reporter, Watcher) else None
        self._evaluation: Metrics | None = None
        record = checkpoints.record(self.step) if checkpoints and restored else None
        self._owed = record and record.owed
        self.best = record and record.best

    @property
    def goes_on(self) -> bool:
        """Whether updates are left to make."""
        return self.diverged is None and self.step < self.run.steps and not self.ends_early

    @property
    def ends_early(self) -> bool:
        """Whether as many evaluations as the run has patience for were no better than the best."""
        if self.run.patience is None or self.best is None or self.diverged is not None:
            return False
        return self.step - self.best["step"] >= self.run.patience * self.run.evaluate_every

    @property
    def evaluation(self) -> Metrics:
        """The figures after the last update; evaluates the state where the loop did not."""
        return self._evaluation or self.run.evaluate(self.state)

    def push(self, step: int, report: Tree) -> None:
        """Takes the stacked reports of the updates that end at `step`."""
        self.step, self._evaluation = step, None
        if self._watcher:
            self._watcher.reached(step)
        self._unless_diverged(lambda: self._meter.push(step, report))

    def evaluate(self, state: TrainState) -> None:
        """Evaluates the state, and adds the figures to the line of its step."""

        def evaluate() -> None:
            self._meter.settle()
            start = time.perf_counter()
            with self._meter.paused():
                self._evaluation = self.run.evaluate(state)
            if self.run.patience is not None:
                self._compare(self._evaluation["top1"])
            found = {**self._evaluation, "seconds": time.perf_counter() - start}
            self._meter.add({f"eval/{name}": value for name, value in found.items()})

        self._unless_diverged(evaluate)

    def _compare(self, top1: float) -> None:
        if self.best is None or top1 > self.best["top1"]:
            self.best = {"step": self.step, "top1": top1}

    def settle(self) -> None:
        """Evaluates the state that this run goes on from, where that failed before."""
        if self._owed is not None:
            self._meter.take(self.step, dict(self._owed))
            self.evaluate(self.state)
            self._meter.flush()

    def save(self, state: TrainState, *, failed: bool = False) -> None:
        """Writes the lines that are due, then saves the state.

        Args:
          failed: the evaluation of the step failed, for this member or after it.
        """

        def save() -> None:
            owes = failed and self._evaluation is None
            owed = self._meter.withhold() if owes else None
            self._meter.flush()
            self.state = state
            if self._checkpoints is not None:
                self._checkpoints.save(state, self._evaluation, owed, self.best)

        self._unless_diverged(save)

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Enter it while a step is compiled, which does not count as training."""
        with self._meter.compiling(), self._watcher.compiling() if self._watcher else nullcontext():
            yield

    def restart_clock(self) -> None:
        """Starts measuring images a second anew, after something that is not a training step."""
        self._meter.restart()

    def _unless_diverged(self, work: Callable[[], None]) -> None:
        if self.diverged is None:
            try:
                work()
            except Diverged as error:
                self.diverged = error


def train(
    run: Run, checkpoints: Checkpoints | None, reporter: Reporter, profile: Profile
) -> Metrics:
    """Trains one run from its newest checkpoint to its end.

    Returns:
      The step and the final evaluation, or the step and the signal that stopped the run. Where it
      ended before its last step, also the best evaluation.

    Raises:
      UserError: the loss is no longer finite.
    """
    member = Member(run, checkpoints, reporter)
    stopped = train_together([member], profile)
    if member.diverged is not None:
        raise member.diverged
    if stopped:
        return {"step": member.step, "stopped": stopped}
    early = {"best": member.best} if member.ends_early and member.step < run.steps else {}
    return {"step": member.step, **member.evaluation, **early}


def train_together(
    members: Sequence[Member], profile: Profile, program: MakeProgram = Dispatch
) -> str | None:
    """Trains every member to its end, or until it diverges; the others then go on.

    Members that were stopped at different steps first catch up with each other.

    Args:
      members: their runs have equal numbers of steps, and evaluate and save at the same steps.

    Returns:
      The signal that stopped them, or None.
    """
    stopped = None
    with Interruption() as interruption, profile:
        for member in members:
            member.settle()
        while not stopped and (left := [member for member in members if member.goes_on]):
            lowest = min(member.step for member in left)
            behind = [member for member in left if member.step == lowest]
            goals = [member.step for member in left if member.step > lowest]
            goal = min([*goals, behind[0].run.steps])
            stopped = _advance(behind, goal, program, interruption, profile)
    return stopped


def _advance(
    members: Sequence[Member],
    goal: int,
    program: MakeProgram,
    interruption: Interruption,
    profile: Profile,
) -> str | None:
    """Trains members that are all at one step to the step `goal`, or until one ends early.

    Returns:
      The signal that stopped them before their last step, or None.
    """

    def restart_clocks() -> None:
        for member in members:
            member.restart_clock()

    @contextmanager
    def compiling() -> Iterator[None]:
        with ExitStack() as stack:
            for member in members:
                stack.enter_context(member.compiling())
            yield

    run, step = members[0].run, members[0].step
    dispatch = program([member.run for member in members], compiling)
    state = dispatch.join([member.state for member in members])
    restart_clocks()
    profile.at(step, state)
    for count in call_lengths(run, step, goal, profile):
        state, reports = dispatch(state, step, count)
        step += count
        profile.at(step, state)
        for member, report in zip(members, reports, strict=True):
            member.push(step, report)
        states = cache(partial(dispatch.split, state))  # split at most once
        if due(step, run.evaluate_every, run.steps):
            try:
                for member, own in zip(members, states(), strict=True):
                    member.evaluate(own)
            except UserError:
                # As where an image of the test set is broken: what was trained is kept.
                for member, own in zip(members, states(), strict=True):
                    member.save(own, failed=True)
                raise
        # Asked once: a signal that arrives while states are saved is seen after the next call.
        stopped = interruption.agreed()
        early = any(member.ends_early for member in members)
        if due(step, run.save_every, goal) or stopped or early:
            for member, own in zip(members, states(), strict=True):
                member.save(own)
            restart_clocks()
        if stopped or early or all(member.diverged for member in members):
            return stopped if any(member.goes_on for member in members) else None
    return None


def due(step: int, every: int, last: int) -> bool:
    """Whether an event of every `every` steps and of the step `last` happens at `step`."""
    return step == last or (every > 0 and step % every == 0)


def call_lengths(run: Run, step: int, goal: int, profile: Profile) -> Iterator[int]:
    """Yields how many steps each call makes on the way to `goal`; no call passes an event.

    Events are evaluations, saves, edges of the profile and changes of the images' size.
    """
    events = [every for every in (run.evaluate_every, run.save_every) if every]
    while step < goal:
        ends = [goal, step + run.steps_per_call]
        ends += [(step // every + 1) * every for every in events] + profile.boundaries(step)
        ends += [change for change in run.size_changes if change > step]
        yield min(ends) - step
        step = min(ends)
