"""What a run has to know of itself while another process writes its outputs.

Much less than a `Watch`: only what the alarms ask for, which is a fifth of the work.
"""

from collections.abc import Callable
from typing import Any

from buddy.journal.events import (
    BreakerMoved,
    Intent,
    Outcome,
    Reassigned,
    Record,
    Resolved,
    Rung,
    RunStarted,
    Settled,
    UndoOutcome,
)
from buddy.model.outcome import ROLLED_BACK, OutcomeKind, StepStatus
from buddy.projections.alarms import Alarms
from buddy.projections.anomaly import Anomaly
from buddy.projections.run import top_of
from buddy.projections.steps import BLANK, LIVE, MOCK, NONE, First, State, ended, state_of

_SUCCEEDED = OutcomeKind.SUCCEEDED
_NONE, _PASSED, _MARKED = First.NONE, First.PASSED, First.MARKED
_NOTHING: list[Anomaly] = []

_Marks = tuple[str, StepStatus | None, int, First, str]
"""Of a step: agent, status, the highest rung tried, how its first attempt there ended, last error."""


class Lookout(Alarms):
    """Finds the HIGH anomalies of a run that is no fleet, as the `Watch` of its outputs finds them.

    Not the `unsafe_escalation` of the auditor, which whoever writes the outputs tells.
    """

    def __init__(self) -> None:
        super().__init__()
        self._top = MOCK
        self._plans: dict[str, dict[str, State]] = {}
        self._known: dict[_Marks, State] = {}

    def feed(self, record: Record) -> list[Anomaly]:
        """Take in the next record and return the anomalies that it shows."""
        event: Any = record.event
        marks = _MARKS.get(type(event))
        if marks is None:
            self._other(event)
            return _NOTHING
        steps = self._plans.get(event.plan)
        if steps is None:
            steps = self._plans[event.plan] = {}
        old = steps.get(event.step, BLANK)
        found = marks(event, old)
        if found[1] is None and old.status is None:
            steps[event.step] = self._known.get(found) or self._made(found)
            return _NOTHING
        steps[event.step] = new = self._state(found, old)
        self._judge(record, old, new, self._top)
        fresh, self._fresh = self._fresh, []
        return fresh

    def _state(self, found: _Marks, old: State) -> State:
        """Return the state of a step that came to rest, now or earlier, by the rules of `steps.Steps`."""
        agent, status, tried, first, error = found
        if status is None:
            status = old.status
        elif status is ROLLED_BACK:
            tried = LIVE
        found = (agent, status, tried, first, error)
        return self._known.get(found) or self._made(found)

    def _made(self, found: _Marks) -> State:
        agent, status, tried, first, error = found
        made = state_of((agent, "", status, NONE, tried, first, "", error, False, False))
        self._known[found] = made
        return made

    def _other(self, event: Any) -> None:
        if isinstance(event, RunStarted):
            self._top = top_of(event)
        elif isinstance(event, BreakerMoved) and not event.open:
            self._closed(event.subject)


# what an event makes of a step; each is the part of a method of `steps.Steps` that the alarms see


def _rung(event: Rung, old: State) -> _Marks:
    rung, error, tried, first = event.mode.rank + 1, event.error, old.tried, old.first
    if rung > tried:
        tried = rung
        if not event.reused:
            first = _PASSED if error is None else ended(error)
    return event.agent, event.status, tried, first, "" if error is None else error.type


def _intent(event: Intent, old: State) -> _Marks:
    return event.agent, None, LIVE, old.first if old.tried == LIVE else _NONE, old.error


def _outcome(event: Outcome, old: State) -> _Marks:
    first, error = old.first, event.error
    if old.tried < LIVE or first is _NONE or event.late:
        first = _PASSED if event.outcome is _SUCCEEDED else _MARKED if error is None else ended(error)
    return event.agent, event.status, LIVE, first, "" if error is None else error.type


def _settled(event: Settled | UndoOutcome, old: State) -> _Marks:
    return event.agent, event.status, old.tried, old.first, old.error


def _resolved(event: Resolved, old: State) -> _Marks:
    first, error = (_PASSED, "") if event.happened else (old.first, old.error)
    return event.agent, event.status, LIVE, first, error


def _reassigned(event: Reassigned, old: State) -> _Marks:
    return event.to_agent, None, old.tried, old.first, old.error


_MARKS: dict[type, Callable[[Any, State], _Marks]] = {
    Rung: _rung,
    Intent: _intent,
    Outcome: _outcome,
    Settled: _settled,
    UndoOutcome: _settled,
    Resolved: _resolved,
    Reassigned: _reassigned,
}
