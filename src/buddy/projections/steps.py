"""Where every step of a run stands: its events folded into a few bytes a step.

Steps that look alike share one `State`; a step is a row of three columns (state, confidence, latency). A
million steps are counted by counting states.
"""

from array import array
from collections.abc import Iterable, Iterator
from enum import IntEnum
from math import isnan, nan
from typing import NamedTuple

from msgspec import Struct

from buddy.core.gate import GATE_DENIED
from buddy.journal.events import Intent, Outcome, Resolved, Rung, Settled, UndoOutcome
from buddy.model.conflict import Conflict
from buddy.model.mode import Mode
from buddy.model.outcome import CallError, OutcomeKind, StepStatus
from buddy.model.plan import Validation

NONE, MOCK, DRY_RUN, LIVE = range(4)
"""Rungs as numbers; 0 is below the ladder."""

RUNGS: tuple[Mode | None, ...] = (None, Mode.MOCK, Mode.DRY_RUN, Mode.LIVE)
"""The mode of each number."""

FINISHED = frozenset({StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.UNKNOWN, StepStatus.ROLLED_BACK})
"""Statuses that say how the work itself went; the others say that it was not done."""

_HELD, _ROLLED_BACK = StepStatus.HELD, StepStatus.ROLLED_BACK
_SUCCEEDED, _UNKNOWN = OutcomeKind.SUCCEEDED, OutcomeKind.UNKNOWN


class First(IntEnum):
    """How the first attempt at a step's top rung ended.

    `MARKED` is a failure that counts against the tool, `FAULTED` one that does not (arguments, permission).
    """

    NONE = 0
    PASSED = 1
    MARKED = 2
    FAULTED = 3


_NONE, _PASSED, _MARKED, _FAULTED = First


class State(Struct, frozen=True, gc=False):
    """What steps that look alike have in common.

    Attributes:
        agent, tool: whose and what; empty before an event of the step names them.
        status: None until an event settles the step.
        passed: the highest rung passed, as a number.
        tried: the highest rung tried, as a number; a live call tries LIVE when its intent is written.
        first: how the first attempt at the rung `tried` ended.
        rule: that stopped the step, as of the event that settled it.
        error: class of the last attempt's error, empty where it passed.
        conflict: the step is in a conflict.
        denied: a denying rule of the gate held it below the run's mode at least once.
        finished: the work was done, well or badly.
        task, task_passed: 1 where it finished with an attempt, and where the first attempt passed.
        real, real_passed: the same at DRY_RUN or LIVE, without failures that are no mark against anyone.
    """

    agent: str = ""
    tool: str = ""
    status: StepStatus | None = None
    passed: int = NONE
    tried: int = NONE
    first: First = First.NONE
    rule: str = ""
    error: str = ""
    conflict: bool = False
    denied: bool = False
    finished: bool = False
    task: int = 0
    task_passed: int = 0
    real: int = 0
    real_passed: int = 0


BLANK = State()

Key = tuple[str, str, StepStatus | None, int, int, First, str, str, bool, bool]


def state_of(key: Key) -> State:
    """Return the state that steps with these marks share.

    Args:
        key: the fields of a `State` as far as `denied`; the rest follows from them.
    """
    _, _, status, _, tried, first, *_ = key
    finished = status in FINISHED
    task = int(finished and first is not First.NONE)
    real = int(task and tried >= DRY_RUN and first is not First.FAULTED)
    passed = first is First.PASSED
    return State(*key, finished, task, task * passed, real, real * passed)


class Cell(NamedTuple):
    """The steps in one state.

    Attributes:
        state: theirs.
        steps: how many.
        stated: how many have a confidence.
        confidence: sum of those.
        timed: how many have a latency.
        latency: sum of those, ms.
    """

    state: State
    steps: int
    stated: int
    confidence: float
    timed: int
    latency: float


class Steps:
    """The steps of a run, by plan and id.

    Attributes:
        top: the highest rung that the run may reach, as a number.
        states: state by ordinal of the step.
        confidences: by ordinal, NaN where nobody gave one.
        latencies: ms of the last attempt at the step's top rung, by ordinal; NaN where nothing was called.
        validations: what a validator said, by ordinal.
        change: state before and after of the step that the last event settled or opened again, else None.
    """

    def __init__(self) -> None:
        self.top = MOCK
        self.states: list[State] = []
        self.confidences = array("d")
        self.latencies = array("d")
        self.validations: dict[int, Validation] = {}
        self.change: tuple[State, State] | None = None
        self._rows: dict[str, dict[str, int]] = {}
        self._known: dict[Key, State] = {}

    def __len__(self) -> int:
        return len(self.states)

    @property
    def plans(self) -> int:
        """How many plans were started."""
        return len(self._rows)

    def ordinal(self, plan: str, step: str) -> int:
        """Return the row of a step, a blank one where it was not seen before."""
        rows = self._rows.get(plan)
        if rows is None:
            rows = self._rows[plan] = {}
        at = rows.get(step)
        return self._open(rows, step) if at is None else at

    def seen(self, plan: str, step: str) -> int | None:
        """Return the row of a step, None where it was not seen."""
        return self._rows.get(plan, {}).get(step)

    def _open(self, rows: dict[str, int], step: str) -> int:
        """Add a row; an item of a fan-out inherits what was found about the step that it came from."""
        at = rows[step] = len(self.states)
        state = BLANK
        if step.endswith("]"):
            parent = rows.get(step[: step.rfind("[")])
            if parent is not None:
                state = self._like(BLANK, conflict=self.states[parent].conflict)
                if parent in self.validations:
                    self.validations[at] = self.validations[parent]
        self.states.append(state)
        self.confidences.append(nan)
        self.latencies.append(nan)
        return at

    def start(self, plan: str, validations: dict[str, Validation]) -> None:
        """Take in that a plan was admitted, with what a validator said about its steps."""
        self._rows.setdefault(plan, {})
        for step, validation in validations.items():
            self.validations[self.ordinal(plan, step)] = validation

    def collide(self, conflict: Conflict) -> list[int]:
        """Take in that steps are in a conflict; returns their rows."""
        found = [self.ordinal(ref.plan, ref.step) for ref in conflict.steps]
        for at in found:
            self.states[at] = self._like(self.states[at], conflict=True)
        return found

    def rung(self, event: Rung) -> None:
        """Take in an attempt at MOCK or DRY_RUN, or a reused read."""
        at = self.ordinal(event.plan, event.step)
        old = self.states[at]
        rung = event.mode.rank + 1
        error = event.error
        tried, first, passed = old.tried, old.first, old.passed
        if rung > tried:
            tried = rung
            if not event.reused:
                first = ended(error)
        if rung >= tried and not event.reused and not event.rehearsal:
            self.latencies[at] = event.duration_ms
        if rung > passed and error is None:
            passed = rung
        if event.confidence is not None:
            self.confidences[at] = event.confidence
        what = "" if error is None else error.type
        self._put(at, old, event.agent, event.tool, event.status, passed, tried, first, event.rule, what)

    def intent(self, event: Intent) -> None:
        """Take in that a live call is about to be made."""
        at = self.ordinal(event.plan, event.step)
        old = self.states[at]
        if event.confidence is not None:
            self.confidences[at] = event.confidence
        first = old.first if old.tried == LIVE else _NONE
        self._put(at, old, event.agent, event.tool, None, old.passed, LIVE, first, "", old.error)

    def outcome(self, event: Outcome) -> None:
        """Take in how a live call ended; a late end corrects what was noted when sight of it was lost."""
        at = self.ordinal(event.plan, event.step)
        old = self.states[at]
        seen = event.outcome is not _UNKNOWN or event.duration_ms > 0
        self.latencies[at] = event.duration_ms if seen else nan
        first, passed, error = old.first, old.passed, event.error
        succeeded = event.outcome is _SUCCEEDED
        if old.tried < LIVE or first is _NONE or event.late:
            first = _PASSED if succeeded else _MARKED if error is None else ended(error)
        if succeeded:
            passed = LIVE
        what = "" if error is None else error.type
        self._put(at, old, event.agent, event.tool, event.status, passed, LIVE, first, "", what)

    def settled(self, event: Settled) -> None:
        """Take in that a step came to rest without an attempt."""
        at = self.ordinal(event.plan, event.step)
        old = self.states[at]
        passed = old.passed if event.final_mode is None else event.final_mode.rank + 1
        tried, first, error = old.tried, old.first, old.error
        self._put(at, old, event.agent, event.tool, event.status, passed, tried, first, event.rule, error)

    def undone(self, event: UndoOutcome) -> None:
        """Take in how an undo ended; what was rolled back had been LIVE."""
        at = self.ordinal(event.plan, event.step)
        old = self.states[at]
        passed, tried, first, error = old.passed, old.tried, old.first, old.error
        self._put(at, old, event.agent, event.tool, event.status, passed, tried, first, old.rule, error)

    def resolved(self, event: Resolved) -> None:
        """Take in what was found out about a live call that nobody had seen the end of."""
        at = self.ordinal(event.plan, event.step)
        old = self.states[at]
        passed = LIVE if event.happened else old.passed
        first = _PASSED if event.happened else old.first
        error = "" if event.happened else old.error
        self._put(at, old, event.agent, event.tool, event.status, passed, LIVE, first, "", error)

    def reassigned(self, plan: str, step: str, agent: str) -> None:
        """Take in that a step was given to another agent."""
        at = self.ordinal(plan, step)
        old = self.states[at]
        self._put(at, old, agent, old.tool, None, old.passed, old.tried, old.first, "", old.error)

    def expanded(self, plan: str, step: str) -> None:
        """Take in that the items of a step stand in its place; what held it before is past."""
        at = self.seen(plan, step)
        if at is None or self.states[at].status is None:
            return
        old = self.states[at]
        passed, tried, first, error = old.passed, old.tried, old.first, old.error
        self._put(at, old, old.agent, old.tool, StepStatus.PENDING, passed, tried, first, "", error)
        self.change = None  # nothing was tried, so nobody has to be alarmed

    def _put(
        self, at: int, old: State, agent: str, tool: str, status: StepStatus | None,
        passed: int, tried: int, first: First, rule: str, error: str,
    ) -> None:  # fmt: skip
        denied, reopened = old.denied, status is StepStatus.PENDING
        if status is None:
            status, rule = old.status, old.rule
        elif reopened:
            # A probe found that nothing happened: the step is open again.
            status = None
        elif status is _ROLLED_BACK:
            tried = LIVE
        elif status is _HELD and rule in GATE_DENIED and passed < self.top:
            denied = True
        key = (agent, tool, status, passed, tried, first, rule, error, old.conflict, denied)
        new = self._known.get(key)
        if new is None:
            new = self._known[key] = state_of(key)
        self.states[at] = new
        if status is not None or reopened:
            self.change = (old, new)

    def _like(self, old: State, *, conflict: bool) -> State:
        key = (
            old.agent, old.tool, old.status, old.passed, old.tried, old.first, old.rule, old.error,
            conflict, old.denied,
        )  # fmt: skip
        return self._known.setdefault(key, state_of(key))

    def confidence(self, plan: str, step: str) -> float | None:
        """Return how sure the planner was of a step, of a fan-out of its first item; None if nobody said."""
        for name in (step, f"{step}[0]"):
            at = self.seen(plan, name)
            if at is not None and not isnan(self.confidences[at]):
                return self.confidences[at]
        return None

    def cells(self) -> list[Cell]:
        """Count the settled steps by state, in the order in which the states first occur."""
        sums: dict[int, list[float]] = {}
        order: list[State] = []
        for state, confidence, latency in zip(self.states, self.confidences, self.latencies, strict=True):
            if state.status is None:
                continue
            total = sums.get(id(state))
            if total is None:
                total = sums[id(state)] = [0, 0, 0.0, 0, 0.0]
                order.append(state)
            total[0] += 1
            if not isnan(confidence):
                total[1] += 1
                total[2] += confidence
            if not isnan(latency):
                total[3] += 1
                total[4] += latency
        return [_cell(state, sums[id(state)]) for state in order]

    def timed(self) -> Iterator[float]:
        """Yield the latency of every settled step that has one, ms."""
        for state, latency in zip(self.states, self.latencies, strict=True):
            if state.status is not None and not isnan(latency):
                yield latency

    def judged(self) -> Iterable[tuple[State, Validation]]:
        """Yield the steps that a validator judged, where they stand."""
        return ((self.states[at], validation) for at, validation in self.validations.items())


def ended(error: CallError | None) -> First:
    """Say how an attempt ended."""
    if error is None:
        return _PASSED
    return _MARKED if error.counts else _FAULTED


def _cell(state: State, total: list[float]) -> Cell:
    count, stated, confidence, timed, latency = total
    return Cell(state, int(count), int(stated), confidence, int(timed), latency)
