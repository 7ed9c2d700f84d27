"""What the gate is told about a call at this moment, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from buddy.core import gate, permissions, references
from buddy.core.gate import Facts
from buddy.model.decision import Ceiling, Decision
from buddy.model.mode import Mode

if TYPE_CHECKING:
    from buddy.engine.climb import Climb


def facts(climb: Climb) -> Facts:
    """Return what the gate has to know about a call at this moment.

    They are put together again where something changed; a rung more that was passed changes only that.
    """
    run, plan, step = climb.run, climb.plan, climb.step
    lock = run.lock()
    breaker = run.breaker(step.tool, step.agent)
    source = plan.source(climb.place)
    now = (lock.epoch, breaker, source, climb.grant, climb.earlier)
    if climb.facts is None or now != climb.facts_at or run.config.caps:
        climb.facts_at = now
        climb.facts = replace(
            climb.facts or _alike(climb),
            confidence=step.confidence,
            locked=lock.reason or "no reason given" if lock.engaged else None,
            source=source,
            breaker=breaker,
            caps=_used_up(climb) if run.config.caps else "",
            passed=climb.passed,
            earlier=climb.earlier,
            grant=climb.grant,
        )
    elif climb.facts.passed is not climb.passed:
        climb.facts = replace(climb.facts, passed=climb.passed)
    return climb.facts


def _used_up(climb: Climb) -> str:
    run, step, contract = climb.run, climb.step, climb.contract
    writes = bool(contract and contract.writes)
    return run.home.used_up(run.config.caps, step.agent, step.tool, writes, None, run.clock.now())


def _alike(climb: Climb) -> Facts:
    """Return what holds for every step of the plan that has this agent and tool, as long as the plan runs."""
    plan, step = climb.plan, climb.step
    known = plan.alike.get((step.agent, step.tool))
    if known is None:
        config, contract = climb.run.config, climb.contract
        known = plan.alike[step.agent, step.tool] = Facts(
            tool=step.tool,
            agent=step.agent,
            contract=contract,
            runnable="live" in climb.handlers,
            has_preview="preview" in climb.handlers or not (contract and contract.writes),
            mode=config.mode,
            dry_run_only=config.dry_run_only,
            environment=climb.run.environment,
            missing=permissions.missing(plan.agent(step.agent), contract),
            live_floor=config.confidence_threshold_for_live,
            approve_high=config.approval_required_for_high_risk,
            approve_all=config.approval_required == "all",
            budget=config.max_live_escalations,
        )
    return known


def top(climb: Climb) -> Ceiling | None:
    """Return how high a call may climb as things stand, None where it may go LIVE."""
    told = facts(climb)
    if climb.reasons is None:
        climb.reasons = gate.approval_reasons(told)
    limit = gate.ceiling(told, skip=gate.PLANNED)
    # A cap may be used up by the next call, so what was said about caps does not last.
    is_clear = limit is None and not climb.reasons and not climb.run.config.caps
    climb.clear_at = climb.facts_at if is_clear else None
    if climb.args is not climb.step.args and references.has_unknown(climb.args):
        limit = Ceiling(
            Mode.MOCK, "dependency", "it takes a result that is not known before its source is LIVE"
        )
    by_conflict = climb.plan.limit(climb.place)
    if by_conflict is not None and (limit is None or by_conflict.mode < limit.mode):
        return by_conflict
    return limit


def decide(climb: Climb, wanted: Mode) -> Decision:
    """Ask the gate whether a call may run on a rung now.

    Rules that had nothing to say are not asked again while the facts that they go by are the same.
    """
    told = facts(climb)
    is_clear = climb.clear_at is not None and climb.clear_at is climb.facts_at
    return gate.decide(told, wanted, gate.LASTING if is_clear else frozenset())


def approval_reasons(climb: Climb) -> tuple[str, ...]:
    """Why a person has to say yes before a call is LIVE, empty where nobody has to."""
    if climb.reasons is None:
        climb.reasons = gate.approval_reasons(facts(climb))
    return climb.reasons
