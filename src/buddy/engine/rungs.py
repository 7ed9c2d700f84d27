"""MOCK and DRY_RUN: one rung at a time, with retries, each attempt on record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from buddy.core import references
from buddy.core.fleet import seconds_of
from buddy.core.simulation import draw
from buddy.engine import gating
from buddy.engine.attempts import (
    Attempt,
    Passed,
    StillRunning,
    attempt,
    hidden_value,
    timed_out,
    with_secrets,
)
from buddy.engine.ending import Ending
from buddy.engine.records import record_rung
from buddy.errors import InvalidArguments
from buddy.model.decision import Ceiling, Denied, NeedsApproval, Run, Wait
from buddy.model.mode import DRY_RUN, MOCK
from buddy.model.outcome import FAILED, HELD, CallError, Preview

if TYPE_CHECKING:
    from buddy.engine.climb import Climb


async def mock(climb: Climb, *, rehearsal: bool, final: Ceiling | None) -> Ending | None:
    """Run MOCK, with retries; returns an ending where it did not pass."""
    while True:
        climb.mock_attempts += 1
        started = climb.run.now()
        found = await _mock_attempt(climb, rehearsal)
        error = found if type(found) is CallError else None
        value = found.value if isinstance(found, Passed) else UNSET
        again = climb.retry_after(error, MOCK, climb.mock_attempts) if error else None
        status = None
        if error is not None and again is None:
            status = FAILED
        elif error is None and final is not None:
            status = climb.resting_status(final)
        record_rung(
            climb,
            MOCK,
            climb.mock_attempts,
            started,
            result=UNSET if references.has_unknown(value) else value,
            error=error,
            status=status and climb.told(status),
            rehearsal=rehearsal,
            limit=final if status is not FAILED else None,
        )
        if error is None:
            climb.result = value
            climb.passed = MOCK
            return None
        if again is None:
            return climb.at_rest(FAILED, "mock", error.message)
        await climb.run.clock.sleep(again)


async def _mock_attempt(climb: Climb, rehearsal: bool) -> Attempt:
    if climb.problem:
        return _wrong_arguments(climb.problem)
    if climb.tool is None or climb.contract is None:
        return (
            Passed(references.UNKNOWN) if rehearsal else await _simulated(climb, Passed(references.UNKNOWN))
        )
    problem = climb.tool.check(climb.args)
    if problem:
        return _wrong_arguments(problem)
    found = await attempt(
        climb.tool.mock(climb.args, climb.context(MOCK, climb.mock_attempts)), climb.contract, MOCK
    )
    if isinstance(found, Passed) and climb.handlers.isdisjoint(("live", "mock")) and not rehearsal:
        found = await _simulated(climb, found)
    shaped = (
        "mock" in climb.handlers or climb.contract.output is not None or climb.contract.example is not UNSET
    )
    return found if shaped or not isinstance(found, Passed) else Passed(references.UNKNOWN)


async def _simulated(climb: Climb, result: Passed) -> Attempt:
    """Let a call that nothing handles last as long as estimated, and succeed as often as predicted."""
    task = climb.step.task
    await climb.run.clock.sleep(seconds_of(climb.step) if task else climb.step.estimated_duration_s or 0.0)
    rate = task.rate if task is not None else 1.0
    chance = draw(climb.run.config.seed, climb.plan.plan_id, climb.step_id, "success", climb.mock_attempts)
    if chance < rate:
        return result
    return CallError("SimulatedFailure", f"drawn by the predicted success rate of {rate:g}", no_effect=True)


async def dry_run(climb: Climb, *, final: Ceiling | None) -> Ending | None:
    """Run DRY_RUN, with retries; returns an ending where it did not pass or is as high as it goes."""
    assert climb.tool is not None
    assert climb.contract is not None
    while True:
        decision = gating.decide(climb, DRY_RUN)
        if not isinstance(decision, Run):
            return _kept_from(climb, decision)
        climb.dry_attempts += 1
        first = climb.passed is MOCK
        started = climb.run.now()
        found = await _dry_attempt(climb)
        error = found if type(found) is CallError else None
        again = climb.retry_after(error, DRY_RUN, climb.dry_attempts) if error else None
        status = FAILED if error and again is None else None
        if error is None:
            _take(climb, found)
            status = climb.resting_status(final) if final is not None else None
        record_rung(
            climb,
            DRY_RUN,
            climb.dry_attempts,
            started,
            error=error,
            status=status and climb.told(status),
            result=UNSET if error or climb.contract.writes else climb.result,
            preview=None if error or not climb.contract.writes else climb.preview,
            moved_from=MOCK if first else None,
            limit=final if error is None else None,
            threshold=decision.threshold,
        )
        if error is None:
            if first:
                climb.promote()
            climb.run.probe_passed(climb.step.tool, climb.step.agent)
            if final is None:
                return None
            return climb.at_rest(climb.resting_status(final), final.rule, final.reason)
        if again is None:
            return climb.at_rest(FAILED, "dry_run", error.message)
        await climb.run.clock.sleep(again)


def _kept_from(climb: Climb, decision: NeedsApproval | Wait | Denied) -> Ending:
    if isinstance(decision, Denied):
        return climb.go_down(decision.ceiling)
    return Ending(status=HELD, reached=climb.passed, rule=decision.rule, reason=decision.reason)


async def _dry_attempt(climb: Climb) -> Attempt:
    assert climb.tool is not None
    assert climb.contract is not None
    writes = climb.contract.writes
    try:
        args, secrets = with_secrets(climb.args, climb.contract.secret_args, climb.run.secrets)
    except InvalidArguments as problem:
        return _wrong_arguments(str(problem))
    context = climb.context(DRY_RUN, climb.dry_attempts)
    if writes and "preview" not in climb.handlers:
        return Passed(
            Preview(available=False, notes=["preview unavailable: the tool has no preview handler"])
        )
    work = climb.tool.preview(args, context) if writes else climb.tool.live(args, context)
    found = await attempt(
        work, climb.contract, DRY_RUN, in_thread=climb.tool.sync and not writes, redact=secrets
    )
    if type(found) is StillRunning:
        return timed_out(climb.contract)
    if secrets and isinstance(found, Passed):
        return Passed(_hidden(found.value, secrets))
    return found


def _take(climb: Climb, found: Attempt) -> None:
    assert isinstance(found, Passed)
    if isinstance(found.value, Preview) and climb.contract is not None and climb.contract.writes:
        climb.preview = found.value
        climb.result = found.value.result if found.value.available else references.UNKNOWN
    else:
        climb.result = found.value


def _wrong_arguments(problem: str) -> CallError:
    return CallError("InvalidArguments", problem, no_effect=True, retryable=False, counts=False)


def _hidden(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, Preview):
        return Preview(
            changes=hidden_value(_plain(value.changes), secrets),
            result=hidden_value(value.result, secrets),
            notes=hidden_value(value.notes, secrets),
            available=value.available,
        )
    return hidden_value(value, secrets)


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
