"""Anomalies: what a person should look at, each found once, as soon as it can be told.

Rates are judged when the run comes to rest; the rest at once.
"""

from collections.abc import Mapping
from typing import Any

from buddy.core.audit import Audit, Violation
from buddy.journal.events import BreakerMoved, PlanStarted, Record, RunFinished, Rung
from buddy.model.mode import Mode
from buddy.model.outcome import StepStatus
from buddy.projections.alarms import LEAST_FIRST_RATE, LEAST_TASKS, Alarms
from buddy.projections.anomaly import RECOMMENDATIONS as RECOMMENDATIONS
from buddy.projections.anomaly import Anomaly as Anomaly
from buddy.projections.anomaly import AnomalyType as AnomalyType
from buddy.projections.anomaly import Severity as Severity
from buddy.projections.fleet.fold import Fleet
from buddy.projections.fleet.judging import judge, sensitivity_of
from buddy.projections.health import MOST_CONFLICTS, MOST_ROLLBACKS
from buddy.projections.metrics import Tally, imbalance, spread, tallies
from buddy.projections.run import Run
from buddy.projections.steps import RUNGS, State

MOST_DRIFT = 0.25
MOST_IMBALANCE = 0.40
MOST_SPREAD = 1.5
LEAST_LOADED_TASKS = 2
"""Tasks that an agent must have had for its load to be compared."""
LEAST_LOAD_S = 0.1
"""Work of the busiest agent, in seconds, below which loads are the noise of the clock and not compared."""
LISTED = 100
"""Anomalies of one type that are kept; the rest are counted."""

NOT_LIVE = frozenset(
    {
        "attempt_order",
        "dry_run_under_lock",
        "dry_run_without_rehearsal",
        "intent_without_outcome",
        "lifecycle",
        "resolved_of_nothing",
        "second_outcome",
        "undo_order",
        "undo_overclaimed",
        "undo_without_intent",
    }
)
"""Rules of the auditor that are about the books or about DRY_RUN; any other is about a LIVE call too many."""


class Watch(Alarms):
    """Finds the anomalies of a run while its journal is written.

    The engine takes them from `feed`; the outputs `follow` the same watch (or their own) and read
    `found`. Whichever comes first brings it up to a record, so that each record is folded once.

    Args:
        audited: look for `unsafe_escalation` too, which a run may leave to the fold of its outputs.

    Attributes:
        run: the fold beneath.
        found: the first `LISTED` of each type, in the order found.
        counts: by type, all of them.
    """

    def __init__(self, *, audited: bool = True) -> None:
        super().__init__()
        self.run = Run()
        self.found: list[Anomaly] = []
        self.counts = dict.fromkeys(AnomalyType, 0)
        self._audit = Audit() if audited else None
        self._judged: set[tuple[AnomalyType, str]] = set()
        self._waves_told: set[tuple[AnomalyType, str, Severity]] = set()

    def feed(self, record: Record) -> list[Anomaly]:
        """Take in the next record and return the anomalies that it shows; a second time none."""
        self.follow(record)
        fresh = self._fresh
        if fresh:
            self._fresh = []
        return fresh

    def follow(self, record: Record) -> None:
        """Take in the next record; one that was taken in already changes nothing."""
        run = self.run
        if record.seq <= run.seq:
            return
        if self._fresh:
            self._fresh = []
        violations = self._audit.feed(record) if self._audit is not None else ()
        run.feed(record)
        self._follow_fleet(record)
        for violation in violations:
            if violation.rule not in NOT_LIVE and not _below_live(record):
                self._unsafe(record, violation)
        change = run.steps.change
        if change is not None:
            self._stepped(record, *change)
        elif isinstance(record.event, RunFinished):
            self._rest(record)
        elif isinstance(record.event, BreakerMoved) and not record.event.open:
            self._closed(record.event.subject)

    def _follow_fleet(self, record: Record) -> None:
        event = record.event
        if self.fleet is not None:
            self.fleet.feed(record)
            if self.fleet.closed is not None:
                found = judge(self.fleet, self.fleet.closed, record, sensitivity_of(self.run.config))
                self.fleet.closed.anomalies = found
                self._fresh += [anomaly for anomaly in found if self._is_news(anomaly)]
        elif isinstance(event, PlanStarted) and event.fleet is not None:
            self.fleet = Fleet(event, self.run.steps)

    def _is_news(self, anomaly: Anomaly) -> bool:
        """Whether nobody was told yet, be it of the run as a whole or of an earlier wave."""
        known = {(one.type, one.subject, one.severity) for one in self.found}
        key = (anomaly.type, anomaly.subject, anomaly.severity)
        news = key not in known and key not in self._waves_told
        self._waves_told.add(key)
        return news

    def _raise(
        self, kind: AnomalyType, severity: Severity, record: Record, subject: str, figures: dict[str, Any],
        *, breaker: bool = False, observations: int = 1, evidence: list[int] | None = None,
    ) -> None:  # fmt: skip
        super()._raise(
            kind, severity, record, subject, figures,
            breaker=breaker, observations=observations, evidence=evidence,
        )  # fmt: skip
        self.counts[kind] += 1
        if self.counts[kind] <= LISTED:
            self.found.append(self._fresh[-1])

    # at once

    def _unsafe(self, record: Record, violation: Violation) -> None:
        subject = f"step:{violation.plan}/{violation.step}" if violation.step else "run"
        figures = {"rule": violation.rule, "message": violation.message}
        self._raise(
            AnomalyType.UNSAFE_ESCALATION, Severity.HIGH, record, subject, figures, evidence=[violation.seq]
        )  # fmt: skip

    def _stepped(self, record: Record, old: State, new: State) -> None:
        if new.denied and not old.denied:
            self._denied(record, new)
        self._judge(record, old, new, self.run.top)

    def _denied(self, record: Record, state: State) -> None:
        event = record.event
        figures = {
            "rule": state.rule,
            "reason": getattr(event, "reason", ""),
            "tool": state.tool,
            "agent": state.agent,
            "final_mode": _name(state.passed),
            "run_mode": _name(self.run.top),
        }
        subject = f"step:{getattr(event, 'plan', '')}/{getattr(event, 'step', '')}"
        self._raise(AnomalyType.GATE_DENIED, Severity.MEDIUM, record, subject, figures)

    # at rest

    def _rest(self, record: Record) -> None:
        _, cells, total = self.run.counted()
        self._rates(record, total)
        self._low_agents(record)
        self._agents_at_rest(record, tallies(cells, _agent_of))

    def _once(self, kind: AnomalyType, subject: str) -> bool:
        first = (kind, subject) not in self._judged
        self._judged.add((kind, subject))
        return first

    def _rates(self, record: Record, total: Tally) -> None:
        undone, conflicts = total.by_status.get(StepStatus.ROLLED_BACK, 0), self.run.conflicts.total
        judged: tuple[tuple[AnomalyType, float | None, float, dict[str, Any]], ...] = (
            (
                AnomalyType.HIGH_ROLLBACK, total.rollback_frequency, MOST_ROLLBACKS,
                {"rolled_back": undone, "live": total.live},
            ),
            (
                AnomalyType.HIGH_CONFLICT, self.run.conflict_rate(), MOST_CONFLICTS,
                {"conflicts": conflicts, "steps": total.steps},
            ),
        )  # fmt: skip
        for kind, rate, most, figures in judged:
            if rate is not None and rate > most and self._once(kind, "run"):
                observed = total.live if kind is AnomalyType.HIGH_ROLLBACK else total.steps
                lines = self.run.undone if kind is AnomalyType.HIGH_ROLLBACK else self.run.conflicts.evidence
                self._raise(
                    kind, Severity.MEDIUM, record, "run", {"rate": rate, **figures},
                    observations=observed, evidence=lines,
                )  # fmt: skip

    def _low_agents(self, record: Record) -> None:
        for agent, one in sorted(self._agents.items()):
            few = 0 < one.tasks < LEAST_TASKS and one.passed / one.tasks < LEAST_FIRST_RATE
            if few and not one.low and not one.level:
                one.low = True
                self._agent_failure(record, agent, one, Severity.LOW)

    def _agents_at_rest(self, record: Record, agents: Mapping[str, Tally]) -> None:
        for agent, total in agents.items():
            error = total.prediction_error
            if error is None or total.predicted < LEAST_TASKS or abs(error) <= MOST_DRIFT:
                continue
            if self._once(AnomalyType.PREDICTION_DRIFT, agent):
                figures = {
                    "tasks": total.predicted,
                    "mean_predicted": total.predicted_sum / total.predicted,
                    "mean_actual": total.predicted_passed / total.predicted,
                    "error": error,
                }
                self._raise(
                    AnomalyType.PREDICTION_DRIFT, Severity.MEDIUM, record, f"agent:{agent}", figures,
                    observations=total.predicted, evidence=self._evidence(agent),
                )  # fmt: skip
        loads = {
            agent: self.run.agents[agent].ms / 1000
            for agent, total in agents.items()
            if total.steps >= LEAST_LOADED_TASKS and agent in self.run.agents
        }
        if len(loads) > 1 and max(loads.values()) >= LEAST_LOAD_S:
            self._loads(record, loads, sum(agents[agent].steps for agent in loads))

    def _evidence(self, agent: str) -> list[int]:
        work = self.run.agents.get(agent)
        return work.evidence if work else []

    def _loads(self, record: Record, loads: Mapping[str, float], tasks: int) -> None:
        seconds = list(loads.values())
        apart, times = imbalance(seconds), spread(seconds)
        busiest, idlest = max(loads, key=lambda a: loads[a]), min(loads, key=lambda a: loads[a])
        figures = {
            "busiest": busiest,
            "busiest_s": loads[busiest],
            "least_busy": idlest,
            "least_busy_s": loads[idlest],
            "imbalance": apart,
            "ratio": times,
        }
        found = (
            (AnomalyType.COORDINATION_ISSUE, Severity.MEDIUM, apart > MOST_IMBALANCE),
            (AnomalyType.LOAD_IMBALANCE, Severity.LOW, times is None or times > MOST_SPREAD),
        )
        for kind, severity, applies in found:
            if applies and self._once(kind, "agents"):
                self._raise(kind, severity, record, "agents", figures, observations=tasks)


def _below_live(record: Record) -> bool:
    event = record.event
    return isinstance(event, Rung) and event.mode is not Mode.LIVE


def _agent_of(state: State) -> str:
    return state.agent


def _name(rung: int) -> str | None:
    mode = RUNGS[rung]
    return mode.value if mode else None
