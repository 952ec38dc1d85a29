"""The training loop for members of one program: what training.loop does, for each of them."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax

from resnet_jax.assembly import Assembly, run_folder
from resnet_jax.sweeps.members import MemberDispatch
from resnet_jax.tables import Diverged
from resnet_jax.training.interruption import Interruption
from resnet_jax.training.loop import call_lengths, due
from resnet_jax.training.meter import Meter

Tree = Any


class Member:
    """One run among those of the program: its folder and what is written there.

    Attributes:
      reason: why it diverged, or None. The program goes on with the others.
    """

    def __init__(self, config: Any, workdir: Path, stack: ExitStack):
        self.assembly = Assembly(config)
        self.run = self.assembly.run()
        run_folder.claim(workdir, config)
        self._checkpoints = stack.enter_context(self.assembly.checkpoints(workdir))
        self._reports = stack.enter_context(self.assembly.reports(workdir))
        self.reason: str | None = None
        self._evaluation: dict[str, Any] | None = None
        fresh = self.assembly.create_state()
        self.state = self._checkpoints.restore(fresh) or fresh
        self.step = int(self.state.step)
        self._reports.rewind(self.step)
        self._meter = Meter(self._reports, self.run.batch_size, self.run.report_every)

    def push(self, step: int, report: Tree) -> None:
        """Takes the stacked reports of the steps that end at `step`."""
        self.step, self._evaluation = step, None
        self._guard(lambda: self._meter.push(step, report))

    def evaluate(self) -> None:
        """Evaluates the member's state, and adds the figures to the line of its step."""

        def evaluate() -> None:
            self._meter.settle()
            self._evaluation = self.run.evaluate(self.state)
            self._meter.add({f"eval/{name}": value for name, value in self._evaluation.items()})

        self._guard(evaluate)

    def save(self) -> None:
        """Writes what is due, then saves the member's state."""

        def save() -> None:
            self._meter.flush()
            self._checkpoints.save(self.state, self._evaluation)

        self._guard(save)

    def restart(self) -> None:
        """See Meter.restart."""
        self._meter.restart()

    def _guard(self, work: Callable[[], None]) -> None:
        if self.reason is None:
            try:
                work()
            except Diverged as error:
                self.reason = str(error)


def train(members: Sequence[Member], *, batched: bool | None = None) -> str | None:
    """Trains every member to its last step.

    Members that were stopped at different steps first catch up with each other.

    Returns:
      The signal that stopped them, or None.
    """
    last = members[0].run.steps
    with Interruption() as interruption:
        while (lowest := min(member.step for member in members)) < last:
            behind = [member for member in members if member.step == lowest]
            goal = min((member.step for member in members if member.step > lowest), default=last)
            _advance(behind, goal, interruption, batched)
            if interruption.signal and members[0].step < last:
                return interruption.signal
    return None


def _advance(
    members: Sequence[Member], goal: int, interruption: Interruption, batched: bool | None
) -> None:
    """Trains members that are all at one step to the step `goal`, or until a signal."""
    dispatch = MemberDispatch([member.assembly for member in members], batched=batched)
    run, step = members[0].run, members[0].step
    state = dispatch.stack([member.state for member in members])
    profile = members[0].assembly.profile(Path())
    for member in members:
        member.restart()
    for count in call_lengths(run._replace(steps=goal), step, profile):
        state, report = dispatch(state, step, count)
        step += count
        for number, member in enumerate(members):
            member.push(step, jax.tree.map(lambda leaf, number=number: leaf[number], report))
        stopped = interruption.signal
        evaluates = due(step, run.evaluate_every, run.steps)
        saves = due(step, run.save_every, run.steps) or stopped or step == goal
        if evaluates or saves:
            for member, own in zip(members, dispatch.unstack(state), strict=True):
                member.state = own
                if evaluates:
                    member.evaluate()
                if saves:
                    member.save()
        if saves:
            for member in members:
                member.restart()
        if stopped:
            return
