"""What a run would do: how high each step could climb as things stand, without running anything."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from buddy.core import gate
from buddy.core.conflicts import Detector
from buddy.core.gate import Facts
from buddy.core.ordering import Schedule
from buddy.engine.orchestrator import Survey
from buddy.model.decision import Ceiling
from buddy.model.mode import Mode
from buddy.ports import Breaker, LockState, PlanSource

SKIPPED = frozenset({"rehearsal", "live_budget"})


def ceilings(
    source: PlanSource, known: Survey, again: Detector, lock: LockState, breakers: Sequence[Breaker]
) -> Iterator[dict[str, Any]]:
    """Yield, for each step in schedule order, its highest rung and the rule that stops it there."""
    open_ones = {breaker.subject: breaker.reason for breaker in breakers}
    for ordinal, plan in enumerate(known.again(source)):
        schedule = known.schedule or again.plan(ordinal, plan)
        yield from _plan(ordinal, schedule, known, again, lock, open_ones)


def _plan(
    ordinal: int,
    schedule: Schedule,
    known: Survey,
    again: Detector,
    lock: LockState,
    breakers: Mapping[str, str],
) -> Iterator[dict[str, Any]]:
    reached: list[Mode] = []
    findings = known.findings
    for place, step in enumerate(schedule.steps):
        facts = replace(
            again.facts(step, schedule.plan.agents),
            locked=(lock.reason or "no reason given") if lock.engaged else None,
            breaker=breakers.get(f"tool:{step.tool}") or breakers.get(f"agent:{step.agent}") or "",
            source=_source(schedule, place, reached),
        )
        limit = findings.aborted.get((ordinal, place)) or _lowest(
            facts, findings.ceilings.get((ordinal, place))
        )
        if limit is not None and (ordinal, place) in findings.aborted:
            limit = Ceiling(Mode.MOCK, limit.rule, limit.reason)
        waits = limit is not None and limit.rule == "approval"
        # A person may say yes: whatever depends on this step is judged as if it went on.
        # A read's DRY_RUN is the call: what it finds is real where all that it takes is.
        contract = facts.contract
        reads = contract is not None and not contract.writes and facts.source is None
        real = limit is None or waits or (reads and limit.mode is Mode.DRY_RUN)
        reached.append(Mode.LIVE if real or limit is None else limit.mode)
        yield {
            "plan": schedule.plan.plan_id,
            "step": step.step_id,
            "tool": step.tool,
            "agent": step.agent,
            "ceiling": Mode.LIVE if limit is None else limit.mode,
            "rule": "" if limit is None else limit.rule,
            "reason": "" if limit is None else limit.reason,
            "needs_approval": waits,
        }


def _source(schedule: Schedule, place: int, reached: list[Mode]) -> tuple[Mode | None, str] | None:
    below = [
        (reached[source].rank, source) for source in schedule.needs[place] if reached[source] is not Mode.LIVE
    ]
    if not below:
        return None
    _, lowest = min(below)
    return reached[lowest], schedule.steps[lowest].step_id


def _lowest(facts: Facts, by_conflict: Ceiling | None) -> Ceiling | None:
    limit = gate.ceiling(facts, skip=SKIPPED)
    if by_conflict is not None and (limit is None or by_conflict.mode < limit.mode):
        return by_conflict
    return limit
