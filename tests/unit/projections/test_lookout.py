"""What a run looks out for itself is what the fold of its outputs finds, line for line."""

from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import pytest

from buddy.journal.events import (
    AnyEvent,
    BreakerMoved,
    Intent,
    Outcome,
    Reassigned,
    Record,
    Resolved,
    Rung,
    Settled,
    UndoOutcome,
)
from buddy.journal.times import iso
from buddy.model.mode import Mode
from buddy.model.outcome import OutcomeKind, StepStatus, UndoResult
from buddy.projections.alarms import Alarms
from buddy.projections.anomalies import Anomaly, AnomalyType, Severity, Watch
from buddy.projections.lookout import Lookout
from unit.projections import journals

FAILED, SUCCEEDED = OutcomeKind.FAILED, OutcomeKind.SUCCEEDED
Found = list[tuple[int, Anomaly]]


def high(alarms: Alarms, records: Iterable[Record]) -> Found:
    return [
        (record.seq, anomaly)
        for record in records
        for anomaly in alarms.feed(record)
        if anomaly.severity is Severity.HIGH
    ]


def both(*events: AnyEvent, mode: Mode = Mode.LIVE) -> Found:
    records = journals.records([journals.started(mode), *events])
    found = high(Lookout(), records)
    assert found == high(Watch(audited=False), records)
    return found


def calls(*kinds: OutcomeKind, **more: Any) -> list[AnyEvent]:
    return [event for n, kind in enumerate(kinds) for event in journals.live(f"s{n}", kind, **more)]


def test_an_honest_run_has_nothing_to_look_out_for() -> None:
    assert both(*calls(SUCCEEDED, SUCCEEDED, SUCCEEDED, SUCCEEDED), journals.finished()) == []


def test_a_tool_and_an_agent_that_fail_three_times_are_told_at_once_and_may_open_breakers() -> None:
    found = both(*calls(FAILED, FAILED, FAILED))
    assert {(anomaly.type, anomaly.subject, anomaly.breaker) for _, anomaly in found} == {
        (AnomalyType.REPEATED_FAILURES, "tool:t", True),
        (AnomalyType.AGENT_FAILURE, "agent:a", True),
    }
    assert {seq for seq, _ in found} == {13}


def test_a_breaker_that_closes_lets_it_be_told_again() -> None:
    closed = BreakerMoved(subject="tool:t", open=False, reason="cool")
    again = [event for n in range(3) for event in journals.live(f"again{n}", FAILED)]
    found = both(*calls(FAILED, FAILED, FAILED), closed, *again)
    repeated = [seq for seq, anomaly in found if anomaly.type is AnomalyType.REPEATED_FAILURES]
    assert len(repeated) == 2


def test_a_success_ends_a_row_of_failures() -> None:
    found = both(*calls(FAILED, FAILED, SUCCEEDED, FAILED, FAILED))
    assert AnomalyType.REPEATED_FAILURES not in {anomaly.type for _, anomaly in found}


def some_event(chance: Random) -> AnyEvent:
    """An event that the alarms may hear of, legal or not; failures are frequent."""
    pick = chance.choice
    error = pick([None, journals.error(), journals.error(counts=False)])
    status = pick([None, None, *StepStatus, StepStatus.FAILED])
    step: dict[str, Any] = {"plan": pick("pq"), "step": pick("rstuv")}
    who = {**step, "agent": pick("ab"), "tool": pick("tu")}
    start = iso(journals.START)
    made: list[Callable[[], AnyEvent]] = [
        lambda: Rung(
            **who,
            mode=pick(list(Mode)),
            digest="d",
            started_at=start,
            reused=pick([False, False, True]),
            error=error,
            status=status,
        ),
        lambda: Intent(**who, digest="d", key="k"),
        lambda: Outcome(
            **who,
            outcome=pick(list(OutcomeKind)),
            started_at=start,
            error=error,
            late=pick([False, False, True]),
            status=status,
        ),
        lambda: Settled(**who, status=status or StepStatus.HELD),
        lambda: UndoOutcome(**who, trigger="x", result=UndoResult.FAILED, status=status),
        lambda: Resolved(**who, happened=pick([True, False]), by="ada", status=status or StepStatus.FAILED),
        lambda: Reassigned(**step, from_agent="a", to_agent=pick("ab"), reason="permission"),
        lambda: BreakerMoved(subject=pick(["tool:t", "agent:a", "odd"]), open=pick([True, False]), reason=""),
    ]
    return pick(made + made[:1] * 3 + made[2:3] * 3)()


@pytest.mark.parametrize("mode", Mode)
def test_it_finds_what_the_whole_fold_finds(mode: Mode) -> None:
    told = 0
    for seed in range(300):
        chance = Random(seed)
        told += len(both(*(some_event(chance) for _ in range(chance.randrange(120))), mode=mode))
    assert told > 300
