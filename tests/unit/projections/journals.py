"""Journals for tests: events numbered and timed, and the events of common stories."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from buddy.journal.events import AnyEvent, Intent, Outcome, Record, RunFinished, Rung, RunStarted
from buddy.journal.times import iso
from buddy.model.contract import ToolContract
from buddy.model.mode import Effect, Mode, OnError, Risk, Undo
from buddy.model.outcome import CallError, OutcomeKind, StepStatus

START = 1_795_000_000.0
HANDLERS = ["live", "preview", "mock", "undo"]


def records(events: Iterable[AnyEvent]) -> list[Record]:
    return [Record(seq, iso(START + seq), event) for seq, event in enumerate(events, 1)]


def contract(name: str, risk: Risk = Risk.LOW, undo: Undo = Undo.EXACT) -> ToolContract:
    return ToolContract(
        name=name, risk=risk, effect=Effect.WRITE, undo=undo, on_error=OnError.NO_EFFECT, idempotent=True
    )


def started(mode: Mode = Mode.LIVE, tools: Iterable[str] = ("t",), **more: Any) -> RunStarted:
    contracts = [contract(name) for name in tools]
    values: dict[str, Any] = {
        "run_id": "r1",
        "format": 1,
        "version": "0",
        "mode": mode,
        "granted_by": "ada",
        "config": {"confidence_threshold_for_live": 0.75},
        "inputs": [],
        "plans": 1,
        "steps": 1,
        "contracts": contracts,
        "handlers": {tool.name: HANDLERS for tool in contracts},
    }
    return RunStarted(**{**values, **more})


def finished(seconds: float = 1.0) -> RunFinished:
    return RunFinished(reason="done", exit_code=0, duration_s=seconds)


def error(kind: str = "ToolError", *, counts: bool = True) -> CallError:
    return CallError(type=kind, message="no", counts=counts)


def rung(step: str, mode: Mode = Mode.MOCK, **more: Any) -> Rung:
    values: dict[str, Any] = {
        "plan": "p",
        "step": step,
        "agent": "a",
        "tool": "t",
        "mode": mode,
        "digest": f"d-{step}",
        "started_at": iso(START),
        "confidence": 0.9,
    }
    return Rung(**{**values, **more})


def mocked(step: str, passed: bool = True, **more: Any) -> Rung:
    """A step of a MOCK run: its one attempt settles it."""
    status = StepStatus.SUCCEEDED if passed else StepStatus.FAILED
    return rung(step, **{"status": status, "error": None if passed else error(), "duration_ms": 1.0, **more})


def live(step: str, kind: OutcomeKind = OutcomeKind.SUCCEEDED, **more: Any) -> Iterator[AnyEvent]:
    """A LIVE call: MOCK, DRY_RUN, intent, outcome."""
    who = {name: more.pop(name) for name in ("plan", "agent", "tool", "confidence") if name in more}
    ends = {
        OutcomeKind.SUCCEEDED: StepStatus.SUCCEEDED,
        OutcomeKind.FAILED: StepStatus.FAILED,
        OutcomeKind.UNKNOWN: StepStatus.UNKNOWN,
    }
    failed = {} if kind is OutcomeKind.SUCCEEDED else {"error": error()}
    yield rung(step, rehearsal=True, **who)
    yield rung(
        step, Mode.DRY_RUN, moved_from=Mode.MOCK, trigger="promote", duration_ms=2.0, threshold=0.5, **who
    )
    confidence = who.pop("confidence", 0.9)
    names: dict[str, Any] = {"plan": "p", "step": step, "agent": "a", "tool": "t", **who}
    yield Intent(
        **names,
        digest=f"d-{step}",
        key=f"k-{step}",
        moved_from=Mode.DRY_RUN,
        confidence=confidence,
        threshold=0.75,
    )
    yield Outcome(
        **{
            **names,
            "outcome": kind,
            "started_at": iso(START),
            "duration_ms": 10.0,
            "status": ends[kind],
            **failed,
            **more,
        }
    )


def lines(content: bytes) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in content.splitlines()]
