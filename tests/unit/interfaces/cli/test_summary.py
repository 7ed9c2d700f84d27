from typing import Any

import msgspec

from buddy.interfaces.cli import summary
from buddy.journal.events import AnyEvent, Settled
from buddy.model.outcome import OutcomeKind, StepStatus
from buddy.projections.run import Run
from buddy.projections.summary import summarise
from unit.projections import journals


def document(*events: AnyEvent) -> dict[str, Any]:
    run = Run()
    for record in journals.records([journals.started(), *events]):
        run.feed(record)
    made: dict[str, Any] = msgspec.to_builtins(summarise(run))
    return made


def shown(*events: AnyEvent, resume: str = "") -> list[str]:
    return summary.lines(document(*events), "runs/r1", resume)


def held(step: str, rule: str) -> Settled:
    return Settled(plan="p", step=step, agent="a", tool="t", status=StepStatus.HELD, rule=rule)


def test_a_good_run_is_short() -> None:
    first, *rest = shown(*journals.live("s"), journals.finished())
    assert first == "run r1: LIVE, 1 step of 1 plan, 1.00 s, done"
    assert rest[0] == "steps       SUCCEEDED 1"
    assert rest[-2].startswith("health      ")
    assert rest[-1] == "folder      runs/r1"
    assert len(rest) == 3


def test_held_steps_say_what_to_do_by_rule() -> None:
    text = "\n".join(
        shown(held("s", "lock"), held("u", "lock"), held("v", "approval"), resume="buddy resume r1 X")
    )
    assert "held        2 by lock: `buddy unlock` opens the system, then `buddy resume r1 X` goes on" in text
    assert "held        1 by approval: `buddy approvals list --run r1`" in text


def test_an_unknown_outcome_asks_for_a_person() -> None:
    text = "\n".join(shown(*journals.live("s", OutcomeKind.UNKNOWN), journals.finished()))
    assert "unknown     1: `buddy runs show r1` lists them" in text


def test_where_the_reasons_stand_is_said_where_there_are_any() -> None:
    told = "reasons     `buddy runs show r1` lists them by step"
    assert summary.reasons(document(*journals.live("s", OutcomeKind.FAILED), journals.finished())) == [told]
    assert summary.reasons(document(*journals.live("s"), journals.finished())) == []


def test_a_run_that_did_nothing_and_is_not_at_rest() -> None:
    lines = shown()
    assert lines[0] == "run r1: LIVE, 0 steps of 0 plans, under way"
    assert "steps       none" in lines
    assert "health      NO_DATA" in lines
    assert any(line.startswith("warning     the run is not at rest") for line in lines)
