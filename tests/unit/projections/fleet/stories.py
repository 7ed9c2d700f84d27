"""Journals of fleets: who had which tasks in which wave, and how each ended."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from buddy.journal.events import (
    AnyEvent,
    FleetPlan,
    PlanStarted,
    Record,
    Settled,
    TaskAssigned,
    WaveFinished,
    WaveStarted,
)
from buddy.journal.times import iso
from buddy.model.fleet import AssignmentStrategy
from buddy.model.mode import Mode
from buddy.model.outcome import StepStatus
from buddy.projections.anomalies import Watch
from buddy.projections.fleet.fold import Fleet
from unit.projections import journals

START = journals.START
PLAN: dict[str, Any] = {
    "agents": ["a", "b"],
    "strategy": AssignmentStrategy.LOAD_BALANCED,
    "kind": "waves",
    "parallel": 4,
    "critical_path": ["t1"],
    "critical_path_s": 10.0,
    "work_s": 20.0,
    "lower_bound_s": 10.0,
    "expected_s": 12.0,
    "without_barrier_s": 11.0,
}


class T(Struct, kw_only=True):
    """One task, and how it ends: an attempt a letter, `+` passed and `-` failed, or without one a status."""

    agent: str = "a"
    attempts: str = "+"
    rate: float = 0.9
    seconds: float = 10.0
    status: StepStatus | None = None
    name: str = ""
    heuristic: str | None = None
    prediction: str | None = None
    moved_from: str = ""


def many(count: int, agent: str, passed: int, **fields: Any) -> list[T]:
    return [T(agent=agent, attempts="+" if place < passed else "-", **fields) for place in range(count)]


class Tale:
    """Collects records; each agent works its tasks off one after another."""

    def __init__(self, config: dict[str, Any] | None = None, tasks: int = 10, **plan: Any) -> None:
        self.records: list[Record] = []
        self.now = START
        self._tasks = 0
        self.add(journals.started(Mode.MOCK, config=config or {}))
        self.add(PlanStarted(plan="p", steps=tasks, chain=False, fleet=FleetPlan(**{**PLAN, **plan})))

    def add(self, event: AnyEvent, at: float | None = None) -> None:
        self.records.append(Record(len(self.records) + 1, iso(self.now if at is None else at), event))

    def wave(self, number: int, *tasks: T, finish: bool = True, rebalanced: bool = False) -> "Tale":
        self.add(WaveStarted(plan="p", wave=number, tasks=len(tasks), rebalanced=rebalanced))
        names = []
        for task in tasks:
            self._tasks += 1
            names.append(task.name or f"t{self._tasks}")
            self._assign(number, names[-1], task)
        until: dict[str, float] = {}
        events: list[tuple[float, AnyEvent]] = []
        for name, task in zip(names, tasks, strict=True):
            for at, event in self._ends(name, task, until.get(task.agent, self.now)):
                until[task.agent] = at
                events.append((at, event))
        for at, event in sorted(events, key=lambda one: one[0]):
            self.add(event, at)
        self.now = max([self.now, *until.values()])
        if finish:
            self.add(WaveFinished(plan="p", wave=number))
        return self

    def _assign(self, wave: int, name: str, task: T) -> None:
        self.add(
            TaskAssigned(
                plan="p",
                step=name,
                tool="t",
                agent=task.agent,
                wave=wave,
                rate=task.rate,
                recalibrated=task.rate,
                seconds=task.seconds,
                confidence=task.rate,
                heuristic_id=task.heuristic,
                prediction_id=task.prediction,
                moved_from=task.moved_from,
            )
        )

    def _ends(self, name: str, task: T, start: float) -> Iterable[tuple[float, AnyEvent]]:
        status = task.status
        for number, sign in enumerate(task.attempts, 1):
            end = start + task.seconds
            last = number == len(task.attempts)
            found = StepStatus.SUCCEEDED if sign == "+" else StepStatus.FAILED
            yield (
                end,
                journals.rung(
                    name,
                    agent=task.agent,
                    attempt=number,
                    confidence=task.rate,
                    error=None if sign == "+" else journals.error(),
                    status=found if last and status is None else None,
                    started_at=iso(start),
                    duration_ms=1000 * task.seconds,
                ),
            )
            start = end
        if status is not None:
            yield (
                start,
                Settled(
                    plan="p",
                    step=name,
                    agent=task.agent,
                    tool="t",
                    status=status,
                    rule="caps",
                    reason="used up",
                ),
            )

    def done(self) -> list[Record]:
        self.add(journals.finished(self.now - START))
        return self.records


def watch(records: Iterable[Record]) -> Watch:
    found = Watch()
    for record in records:
        found.follow(record)
    return found


def fleet(tale: Tale) -> Fleet:
    found = watch(tale.records).fleet
    assert found is not None
    return found
