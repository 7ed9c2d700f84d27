"""What the gate is told about a call at this moment, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from buddy.core import gate, permissions, references
from buddy.core.gate import Facts
from buddy.model.decision import Ceiling, Decision
from buddy.model.home import LockState
from buddy.model.mode import MOCK, Mode

if TYPE_CHECKING:
    from buddy.engine.climb import Climb

MOST = 4096
"""Answers that are kept of a plan at once."""
_TOP = "top"
_REASONS = "reasons"


def top(climb: Climb) -> Ceiling | None:
    """Return how high a call may climb as things stand, None where it may go LIVE."""
    limit: Ceiling | None = _ask(climb, _TOP)
    if climb.args is not climb.step.args and references.has_unknown(climb.args):
        limit = Ceiling(MOCK, "dependency", "it takes a result that is not known before its source is LIVE")
    by_conflict = climb.plan.limit(climb.place)
    if by_conflict is not None and (limit is None or by_conflict.mode < limit.mode):
        return by_conflict
    return limit


def decide(climb: Climb, wanted: Mode) -> Decision:
    """Ask the gate whether a call may run on a rung now."""
    decision: Decision = _ask(climb, wanted)
    return decision


def approval_reasons(climb: Climb) -> tuple[str, ...]:
    """Why a person has to say yes before a call is LIVE, empty where nobody has to."""
    if climb.reasons is None:
        climb.reasons = _ask(climb, _REASONS)
    return climb.reasons


def _ask(climb: Climb, what: Mode | str) -> Any:
    """Put a question to the gate; where it was asked about the very same facts, the answer is known.

    The gate goes by what it is told alone, and many steps of a plan look alike to it.
    """
    run, plan, step = climb.run, climb.plan, climb.step
    lock, breaker = run.stops(step.tool, step.agent)
    source = plan.source(climb.place) if plan.schedule.needs[climb.place] else None
    if run.config.caps:
        # A cap may be used up by the next call, so what was said about caps does not last.
        return _answer(what, _facts(climb, lock, breaker, source))
    key = (
        what, step.tool, step.agent, step.confidence, climb.passed, lock.epoch, breaker, source,
        climb.grant, climb.earlier,
    )  # fmt: skip
    answers = plan.gate.answers
    known = answers.get(key, _UNKNOWN)
    if known is _UNKNOWN:
        if len(answers) >= MOST:
            answers.clear()
        known = answers[key] = _answer(what, _facts(climb, lock, breaker, source))
    return known


_UNKNOWN = object()


def _answer(what: Mode | str, told: Facts) -> Any:
    if isinstance(what, Mode):
        return gate.decide(told, what)
    return gate.ceiling(told, skip=gate.PLANNED) if what is _TOP else gate.approval_reasons(told)


def _facts(climb: Climb, lock: LockState, breaker: str, source: tuple[Mode | None, str] | None) -> Facts:
    """Return what the gate has to know about a call at this moment."""
    step = climb.step
    return replace(
        _alike(climb),
        confidence=step.confidence,
        locked=lock.reason or "no reason given" if lock.engaged else None,
        source=source,
        breaker=breaker,
        caps=_used_up(climb) if climb.run.config.caps else "",
        passed=climb.passed,
        earlier=climb.earlier,
        grant=climb.grant,
    )


def _used_up(climb: Climb) -> str:
    run, step, contract = climb.run, climb.step, climb.contract
    writes = bool(contract and contract.writes)
    return run.home.used_up(run.config.caps, step.agent, step.tool, writes, None, run.clock.now())


def _alike(climb: Climb) -> Facts:
    """Return what holds for every step of the plan that has this agent and tool, as long as the plan runs."""
    plan, step = climb.plan, climb.step
    known = plan.gate.alike.get((step.agent, step.tool))
    if known is None:
        config, contract = climb.run.config, climb.contract
        known = plan.gate.alike[step.agent, step.tool] = Facts(
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
