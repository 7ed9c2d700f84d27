"""`tool_execution_log.jsonl`: one line an attempt at a rung, LIVE included."""

from collections.abc import Callable
from enum import Enum
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from buddy.journal.events import Intent, Outcome, Record, RunFinished, Rung
from buddy.model.mode import Mode, Risk
from buddy.model.outcome import CallError, OutcomeKind, Preview
from buddy.projections.anomalies import Watch
from buddy.projections.lines import encode_line


class AttemptStatus(Enum):
    """How an attempt ended; `UNKNOWN` where a live call began and nobody knows."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


ENDS: dict[OutcomeKind, AttemptStatus] = {
    OutcomeKind.SUCCEEDED: AttemptStatus.PASSED,
    OutcomeKind.FAILED: AttemptStatus.FAILED,
    OutcomeKind.UNKNOWN: AttemptStatus.UNKNOWN,
}


class CallLine(Struct, frozen=True):
    """One attempt at a rung; made by position, because one is made for every attempt and names cost most.

    Attributes:
        ts: when it was written down, UTC ISO 8601.
        run_id, plan_id, step_id, agent_id, tool_name: whose.
        mode: the rung.
        status: how it ended.
        attempt: 1 for the first at this rung.
        started_at: None where a live call never came back.
        ended_at: None where nobody saw the end.
        duration_ms: None where nobody saw the end.
        confidence: of the step, None where nobody gave one.
        risk: of the tool; a tool without a contract is HIGH.
        args_digest: HMAC of the canonical arguments.
        result: what came back, where something did and it is small enough for the journal.
        result_blob: SHA-256 of the blob that holds a large result.
        preview: what a DRY_RUN of a write says would change.
        error: why it did not pass.
        approval_id: of the approval that it consumed.
        rehearsal: MOCK only checked.
        reused: a LIVE read that is its DRY_RUN.
        late: a second line on a live call that was UNKNOWN: the end that came after all.
    """

    ts: str
    run_id: str
    plan_id: str
    step_id: str
    agent_id: str
    tool_name: str
    mode: Mode
    status: AttemptStatus
    attempt: int
    started_at: str | None
    ended_at: str | None
    duration_ms: float | None
    confidence: float | None
    risk: Risk
    args_digest: str
    result: Any | UnsetType = UNSET
    result_blob: str | UnsetType = UNSET
    preview: Preview | UnsetType = UNSET
    error: CallError | None = None
    approval_id: str | None = None
    rehearsal: bool = False
    reused: bool = False
    late: bool = False


class _Open(Struct, frozen=True):
    """A live call whose end is not known, and whether a line said so."""

    intent: Intent
    since: str
    told: bool = False


_PASSED, _FAILED, _UNKNOWN = AttemptStatus.PASSED, AttemptStatus.FAILED, AttemptStatus.UNKNOWN


class Calls:
    """The execution log of a run.

    A live call is one line, written with its outcome. One that has none when the run comes to rest, or
    when the step is called again, gets its line then, UNKNOWN; an end that comes late is a second line.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._run = watch.run
        self._open: dict[tuple[str, str], _Open] = {}
        self._lines: dict[type, Callable[[Record, Any], bytes]] = {
            Rung: self._rung,
            Intent: self._intent,
            Outcome: self._outcome,
            RunFinished: self._finished,
        }

    def feed(self, record: Record) -> bytes:
        """Return the lines that a record completes."""
        self._watch.follow(record)
        event = record.event
        line = self._lines.get(type(event))
        return b"" if line is None else line(record, event)

    def close(self) -> None:
        """Return nothing: the file grew."""
        return

    def _risk(self, tool: str) -> Risk:
        contract = self._run.contracts.get(tool)
        return Risk.HIGH if contract is None else contract.risk

    def _rung(self, record: Record, event: Rung) -> bytes:
        error = event.error
        return encode_line(
            CallLine(
                record.time,
                self._run.run_id,
                event.plan,
                event.step,
                event.agent,
                event.tool,
                event.mode,
                _PASSED if error is None else _FAILED,
                event.attempt,
                event.started_at,
                record.time,
                round(event.duration_ms, 6),
                event.confidence,
                self._risk(event.tool),
                event.digest,
                event.result,
                event.result_blob or UNSET,
                event.preview or UNSET,
                error,
                event.approval,
                event.rehearsal,
                event.reused,
            )
        )

    def _intent(self, record: Record, event: Intent) -> bytes:
        key = (event.plan, event.step)
        before = self._open.get(key)
        self._open[key] = _Open(event, record.time)
        return b"" if before is None or before.told else self._lost(record, before)

    def _outcome(self, record: Record, event: Outcome) -> bytes:
        key = (event.plan, event.step)
        begun = self._open.pop(key, None)
        told = begun is not None and begun.told
        if event.outcome is OutcomeKind.UNKNOWN and begun is not None:
            self._open[key] = _Open(begun.intent, begun.since, told=True)
            if told:
                return b""
        intent = begun.intent if begun is not None else None
        return encode_line(
            CallLine(
                record.time,
                self._run.run_id,
                event.plan,
                event.step,
                event.agent,
                event.tool,
                Mode.LIVE,
                ENDS[event.outcome],
                event.attempt,
                event.started_at,
                record.time,
                round(event.duration_ms, 6),
                None if intent is None else intent.confidence,
                self._risk(event.tool),
                "" if intent is None else intent.digest,
                event.result,
                event.result_blob or UNSET,
                UNSET,
                event.error,
                None if intent is None else intent.approval,
                False,
                False,
                event.late or told,
            )
        )

    def _finished(self, record: Record, event: RunFinished) -> bytes:
        untold = [(key, begun) for key, begun in self._open.items() if not begun.told]
        for key, begun in untold:
            self._open[key] = _Open(begun.intent, begun.since, told=True)
        return b"".join(self._lost(record, begun) for _, begun in untold)

    def _lost(self, record: Record, begun: _Open) -> bytes:
        intent = begun.intent
        return encode_line(
            CallLine(
                record.time,
                self._run.run_id,
                intent.plan,
                intent.step,
                intent.agent,
                intent.tool,
                Mode.LIVE,
                _UNKNOWN,
                intent.attempt,
                begun.since,
                None,
                None,
                intent.confidence,
                self._risk(intent.tool),
                intent.digest,
                UNSET,
                UNSET,
                UNSET,
                None,
                intent.approval,
            )
        )
