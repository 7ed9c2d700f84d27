"""Acting for real: a write under its claims, its intent durable before the call and its outcome after it.

A read is simpler: its DRY_RUN is the call, and LIVE reuses the result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from buddy.core.catalogue import claims_of
from buddy.engine import gating
from buddy.engine.asking import Granted
from buddy.engine.attempts import (
    Passed,
    StillRunning,
    attempt,
    error_of,
    hidden_value,
    with_secrets,
)
from buddy.engine.ending import Ending
from buddy.engine.outcomes import free, give_up, leave, probe, record_outcome, succeed
from buddy.engine.records import record_rung
from buddy.engine.repeats import duplicate
from buddy.engine.rungs import dry_run
from buddy.errors import InvalidArguments
from buddy.journal.events import Intent
from buddy.model import decision as decisions
from buddy.model.conflict import ConflictType, StepRef, Strategy
from buddy.model.decision import Ceiling, Denied, NeedsApproval, Wait
from buddy.model.mode import DRY_RUN, LIVE, MOCK
from buddy.model.outcome import ABORTED, FAILED, HELD, SUCCEEDED, UNKNOWN, CallError, OutcomeKind
from buddy.ports import Action, Admitted, Refused

if TYPE_CHECKING:
    from buddy.engine.climb import Climb
    from buddy.engine.limits import Claimed
    from buddy.engine.run import Run
    from buddy.model.contract import ToolContract

_DUPLICATE, _ALLOW = ConflictType.DUPLICATE_ACTION, Strategy.ALLOW


async def read(climb: Climb, limit: Ceiling | None) -> Ending | None:
    """Take a read through DRY_RUN, which is the call, and on to LIVE where it may."""
    if gating.approval_reasons(climb):
        go, ending = await _asked(climb)
        if not go:
            return ending
    held = await climb.run.claims.take(_holder(climb), _claims(climb) if limit is None else ())
    try:
        await climb.run.interrupt.go_on()
        # What the home let through is on record before the run is given up.
        with climb.run.interrupt.acts() if climb.granted is not None else nullcontext():
            if climb.granted is not None or climb.run.config.caps:
                refusal = await _admit_read(climb)
                if refusal is not None:
                    return refusal
            ending = await dry_run(climb, final=limit)
        if ending is not None:
            return ending
        decision = gating.decide(climb, LIVE)
        if not isinstance(decision, decisions.Run):
            return _not_live(climb, decision)
        climb.promote()
        climb.live_attempts += 1
        record_rung(
            climb,
            LIVE,
            climb.live_attempts,
            climb.run.now(),
            result=UNSET,
            reused=True,
            status=climb.told(SUCCEEDED),
            moved_from=DRY_RUN,
            threshold=decision.threshold,
        )
        return climb.at_rest(SUCCEEDED, "", "")
    finally:
        if held:
            climb.run.claims.give(_holder(climb))


async def write(climb: Climb, limit: Ceiling | None) -> Ending | None:
    """Take a write through DRY_RUN, a person where one is needed, and a LIVE call where it may."""
    if limit is not None:
        return await dry_run(climb, final=limit)
    if gating.approval_reasons(climb):
        ending = await dry_run(climb, final=None)
        if ending is not None:
            return ending
        go, ending = await _asked(climb)
        if not go:
            return ending
    while True:
        outcome = await _act(climb)
        if isinstance(outcome, Ending) or outcome is None:
            return outcome
        await climb.run.clock.sleep(outcome)


async def _asked(climb: Climb) -> tuple[bool, Ending | None]:
    """Ask a person; returns whether the call may go on, and what it comes to if not: None, it starts over."""
    answer = await climb.ask()
    return (True, None) if isinstance(answer, Granted) else (False, climb.unanswered(answer))


def _claims(climb: Climb) -> Claimed:
    """Return what has to be held while a call acts."""
    if climb.contract is None or climb.run.config.isolate:
        return ()
    return claims_of(climb.contract, climb.args, climb.step.claims, climb.resources())


def _holder(climb: Climb) -> str:
    return f"{climb.run.run_id}/{climb.plan.plan_id}/{climb.step_id}"


async def _admit_read(climb: Climb) -> Ending | None:
    request = climb.granted.request if climb.granted else None
    verdict = climb.run.home.admit(
        [_action(climb, request)],
        climb.run.clock.now(),
        climb.run.config.duplicate_window_s,
        climb.run.config.caps,
    )[0]
    if isinstance(verdict, Admitted):
        return None
    return climb.settle(HELD, verdict.rule, verdict.reason)


def _action(climb: Climb, request: Any) -> Action:
    contract = climb.contract
    assert contract is not None
    config = climb.run.config
    caps = config.caps
    named = caps and [str(climb.args[cap.recipient_arg]) for cap in caps if cap.recipient_arg in climb.args]
    allowed = config.conflicts[_DUPLICATE] is _ALLOW
    return Action(
        run_id=climb.run.run_id,
        step=f"{climb.plan.plan_id}/{climb.step_id}",
        tool=contract.name,
        agent=climb.step.agent,
        digest=climb.digest,
        writes=contract.writes,
        irreversible=contract.irreversible,
        idempotent=contract.idempotent,
        repeat=climb.step.repeat,
        resources=climb.resources(),
        recipient=named[0] if named else None,
        approval=request.approval_id if request else None,
        binding=request.binding if request else "",
        ledger=not config.isolate,
        ignore_duplicates=allowed,
    )


async def _act(climb: Climb) -> Ending | float | None:
    """Make one live attempt; returns an ending, seconds before the next attempt, or None to start over."""
    contract = climb.contract
    assert contract is not None
    give_slots = _slots_at_once(climb.run, contract) or await _take_slots(climb.run, contract)
    held: Claimed = ()
    answer: Any = None
    try:
        held = await climb.run.claims.take(_holder(climb), _claims(climb))
        ending = await dry_run(climb, final=None)
        if ending is not None:
            return ending
        if gating.approval_reasons(climb):
            go, ending = await _asked(climb)
            if not go:
                return ending
        if climb.run.interrupt.reason:
            await climb.run.interrupt.go_on()
        with climb.run.interrupt.acts():
            go, ending = await _begin(climb, contract, held)
            if not go:
                return ending
            try:
                started, answer, secrets = await _call(climb, contract)
            except asyncio.CancelledError:
                leave(climb)
                raise
            if type(answer) is StillRunning:
                return give_up(climb, contract, answer, secrets, partial(_release, climb, held, give_slots))
            if isinstance(answer, Passed):
                return await succeed(climb, contract, started, hidden_value(answer.value, secrets))
            return await _settle(climb, contract, started, answer)
    finally:
        if type(answer) is not StillRunning:
            _release(climb, held, give_slots)


def _release(climb: Climb, held: Claimed, give_slots: Callable[[], None]) -> None:
    if held and climb.tool is not None and climb.tool.sync and climb.tool.acts(climb.key):
        # Its loop ended, and its thread goes on.
        climb.run.claims.give_after(_holder(climb), partial(climb.tool.acts, climb.key))
    elif held:
        give = partial(climb.run.claims.give, _holder(climb))
        # Nobody else acts on what this call wrote before it is known for good that it did.
        climb.run.when_durable(give) if climb.rides else give()
    give_slots()


def _slots_at_once(run: Run, contract: ToolContract) -> Callable[[], None] | None:
    """Take the run's budget where nothing else is needed and it need not be waited for."""
    bounded = contract.rate is not None or contract.max_concurrency is not None
    return None if bounded or not run.budget.grab() else run.budget.give


async def _take_slots(run: Run, contract: ToolContract) -> Callable[[], None]:
    """Wait for the tool's rate, the run's budget and the tool's slots; returns what gives them back."""
    if contract.rate is not None:
        await run.limits.rate(contract.name, contract.rate).take()
    await run.budget.take()
    if contract.max_concurrency is None:
        return run.budget.give
    slots = run.limits.slots(contract.name, contract.max_concurrency)
    try:
        await slots.take()
    except BaseException:
        run.budget.give()
        raise

    def give() -> None:
        slots.give()
        run.budget.give()

    return give


async def _begin(climb: Climb, contract: ToolContract, held: Claimed) -> tuple[bool, Ending | None]:
    """Put the intent on disk; returns whether the call may be made, and what the step comes to if not."""
    run = climb.run
    decision = gating.decide(climb, LIVE)
    if not isinstance(decision, decisions.Run):
        return False, _not_live(climb, decision)
    climb.live_attempts += 1
    request = climb.granted.request if climb.granted else None
    intent = Intent(
        plan=climb.plan.plan_id,
        step=climb.step_id,
        agent=climb.step.agent,
        tool=contract.name,
        attempt=climb.live_attempts,
        digest=climb.digest,
        key=climb.key,
        confidence=climb.step.confidence,
        threshold=decision.threshold,
        moved_from=DRY_RUN if climb.live_attempts == 1 else None,
        approval=request.approval_id if request else None,
        claims=[f"{'write' if writes else 'read'}:{resource}" for resource, writes in held],
        repeat=climb.step.repeat,
        sources=climb.plan.sources(climb.place),
    )
    begun = run.begin(_action(climb, request), intent)
    try:
        verdict = await begun
    except asyncio.CancelledError:
        if _was_let_through(begun):
            leave(climb)
        raise
    if isinstance(verdict, Admitted):
        climb.plan.actions.add(climb.digest, climb.resources(), StepRef(climb.plan.plan_id, climb.step_id))
        return True, None
    climb.live_attempts -= 1
    return False, _refused(climb, verdict)


def _was_let_through(begun: asyncio.Future[Admitted | Refused]) -> bool:
    """Whether an intent is on record of which its call has not heard."""
    heard = begun.done() and not begun.cancelled() and begun.exception() is None
    return heard and isinstance(begun.result(), Admitted)


def _not_live(climb: Climb, decision: NeedsApproval | Wait | Denied) -> Ending:
    if isinstance(decision, Denied):
        return climb.go_down(decision.ceiling)
    return climb.settle(HELD, decision.rule, decision.reason)


def _refused(climb: Climb, verdict: Refused) -> Ending | None:
    match verdict.rule:
        case "duplicate":
            found = duplicate(climb, verdict.reason)
            return None if found is None else climb.rest(found)
        case "lock":
            return climb.go_down(Ceiling(MOCK, "lock", verdict.reason))
        case "caps":
            return climb.settle(HELD, "caps", verdict.reason)
        case _:
            return climb.settle(ABORTED, verdict.rule, verdict.reason)


async def _call(climb: Climb, contract: ToolContract) -> tuple[float, Any, tuple[str, ...]]:
    """Call the tool for real; returns when it began, what happened, and the secrets that it was given."""
    assert climb.tool is not None
    started = climb.run.now()
    try:
        args, secrets = with_secrets(climb.args, contract.secret_args, climb.run.secrets)
    except InvalidArguments as problem:
        return started, error_of(problem, contract, LIVE), ()
    work = climb.tool.live(args, climb.context(LIVE, climb.live_attempts))
    found = await attempt(work, contract, LIVE, in_thread=climb.tool.sync, redact=secrets)
    return started, found, secrets


async def _settle(climb: Climb, contract: ToolContract, started: float, found: CallError) -> Ending | float:
    """Put the outcome of a call that failed on disk and say what follows."""
    kind, rests = OutcomeKind.FAILED, FAILED
    if not found.no_effect:
        kind, rests = OutcomeKind.UNKNOWN, UNKNOWN
    again = climb.retry_after(found, LIVE, climb.live_attempts)
    open_end = climb.plan.standing(climb.step_id, rests) is UNKNOWN
    probes = open_end and again is None and "probe" in climb.handlers
    status = None if again is not None or probes else climb.told(rests)
    record_outcome(climb, kind, started, error=found, status=status, reason=found.message if status else "")
    if not open_end:
        free(climb)
    await climb.run.durable()
    if again is not None:
        if open_end:
            climb.plan.repeats[climb.step_id] = climb.digest
        return again
    if probes:
        return await probe(climb, contract, found)
    return climb.at_rest(rests, "live", found.message)
