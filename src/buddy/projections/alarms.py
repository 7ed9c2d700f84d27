"""What a run is told of at once: a tool that fails again and again, an agent whose first attempts fail.

Both may open a breaker, so the engine looks for them itself, whoever writes the outputs.
"""

from abc import ABC, abstractmethod
from typing import Any

from buddy.journal.events import Outcome, Record, Rung
from buddy.model.outcome import FAILED, UNKNOWN
from buddy.projections.anomaly import RECOMMENDATIONS, Anomaly, AnomalyType, Severity
from buddy.projections.fleet.fold import Fleet
from buddy.projections.metrics import places
from buddy.projections.steps import DRY_RUN, LIVE, State
from buddy.projections.tracks import FirstAttempts, Streak

FAILURES_IN_A_ROW = 3
LEAST_FIRST_RATE = 0.50
LEAST_TASKS = 3
"""Tasks of an agent from which its rates mean something."""


class Alarms(ABC):
    """Judges each step as it comes to rest.

    Attributes:
        fleet: the fold of a fleet, where the run is one and this keeps it.
    """

    def __init__(self) -> None:
        self.fleet: Fleet | None = None
        self._fresh: list[Anomaly] = []
        self._streaks: dict[str, Streak] = {}
        self._agents: dict[str, FirstAttempts] = {}

    @abstractmethod
    def feed(self, record: Record) -> list[Anomaly]:
        """Take in the next record and return the anomalies that it shows."""

    def _raise(
        self, kind: AnomalyType, severity: Severity, record: Record, subject: str, figures: dict[str, Any],
        *, breaker: bool = False, observations: int = 1, evidence: list[int] | None = None,
    ) -> None:  # fmt: skip
        self._fresh.append(
            Anomaly(
                type=kind,
                severity=severity,
                time=record.time,
                subject=subject,
                figures={name: places(it) if isinstance(it, float) else it for name, it in figures.items()},
                recommendation=RECOMMENDATIONS[kind],
                breaker=breaker,
                observations=observations,
                evidence=evidence or [record.seq],
            )
        )

    def _judge(self, record: Record, old: State, new: State, top: int) -> None:
        """Judge a step that came to rest, or left it, in a run that may go as high as `top`."""
        event = record.event
        if isinstance(event, (Rung, Outcome)) and event.status is not None:
            self._ran(record, event, new, top)
        if old.task or new.task:
            self._agent(record, old, new)

    def _ran(self, record: Record, event: Rung | Outcome, state: State, top: int) -> None:
        """Follow the tool's failures in a row: settled steps, on the rungs that the run is about."""
        rung = event.mode.rank + 1 if isinstance(event, Rung) else LIVE
        if rung < min(top, DRY_RUN):
            return
        failed = state.status is FAILED or state.status is UNKNOWN
        if not failed:
            if event.tool in self._streaks:
                del self._streaks[event.tool]
            return
        known = isinstance(event, Outcome) and event.late
        if known or (event.error is not None and not event.error.counts):
            return
        streak = self._streaks.setdefault(event.tool, Streak())
        streak.length += 1
        streak.breaker = streak.breaker and rung >= DRY_RUN
        if streak.length > FAILURES_IN_A_ROW:
            return
        streak.seqs.append(record.seq)
        if streak.length == FAILURES_IN_A_ROW:
            figures = {"failures": streak.length, "last_error": state.error, "agent": event.agent}
            self._raise(
                AnomalyType.REPEATED_FAILURES, Severity.HIGH, record, f"tool:{event.tool}", figures,
                breaker=streak.breaker, observations=streak.length, evidence=streak.seqs,
            )  # fmt: skip

    def _agent(self, record: Record, old: State, new: State) -> None:
        if old.task:
            self._of(old.agent).count(old, -1)
        if not new.task:
            return
        one = self._of(new.agent)
        one.count(new, 1)
        if new.task_passed:
            return
        if not old.finished and len(one.seqs) < LEAST_TASKS:
            one.seqs.append(record.seq)
        real = _failing(one.real_passed, one.real)
        level = 2 if real else 1 if _failing(one.passed, one.tasks) else 0
        if level > one.level:
            one.level = level
            self._agent_failure(record, new.agent, one, Severity.HIGH)

    def _of(self, agent: str) -> FirstAttempts:
        found = self._agents.get(agent)
        if found is None:
            found = self._agents[agent] = FirstAttempts()
        return found

    def _agent_failure(self, record: Record, agent: str, one: FirstAttempts, severity: Severity) -> None:
        figures = {"tasks": one.tasks, "first_attempts_passed": one.passed, "rate": one.passed / one.tasks}
        self._raise(
            AnomalyType.AGENT_FAILURE, severity, record, f"agent:{agent}", figures,
            breaker=one.level == 2, observations=one.tasks, evidence=list(one.seqs),
        )  # fmt: skip

    def _closed(self, subject: str) -> None:
        """Forget what opened a breaker that is closed again, so that it can be found again."""
        kind, _, name = subject.partition(":")
        if kind == "tool":
            self._streaks.pop(name, None)
        elif kind == "agent" and name in self._agents:
            self._agents[name].level = 0


def _failing(passed: int, tasks: int) -> bool:
    return tasks >= LEAST_TASKS and passed / tasks < LEAST_FIRST_RATE
