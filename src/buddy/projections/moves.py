"""`execution_state_transitions.jsonl` and `rollback_events.jsonl`: one line a move, one line an undo."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from msgspec import Struct

from buddy.core.ladder import Trigger
from buddy.journal.events import Intent, Moved, Record, Rung, UndoOutcome
from buddy.model.mode import Mode
from buddy.model.outcome import UndoResult
from buddy.projections.anomalies import Watch
from buddy.projections.lines import encode_line
from buddy.projections.metrics import places


class MoveLine(Struct, frozen=True):
    """One move on the ladder; made by position, because a call has two of them and names cost most.

    Attributes:
        ts: when, UTC ISO 8601.
        run_id, plan_id, step_id, agent_id, tool_name: whose.
        from_mode, to_mode: the rungs.
        trigger: `promote`, `demote` or `lock`.
        rule: the rule of the gate that sets how high the step may climb; empty where none limits it.
        reason: its sentence; of a climb that no rule limits, what the confidence was held against.
        confidence: of the step, None where nobody gave one.
        threshold: that it was held against, None for moves down.
        approval_id: of the approval that a climb to LIVE consumed.
    """

    ts: str
    run_id: str
    plan_id: str
    step_id: str
    agent_id: str
    tool_name: str
    from_mode: Mode
    to_mode: Mode
    trigger: str
    rule: str
    reason: str
    confidence: float | None
    threshold: float | None
    approval_id: str | None


_PROMOTE = Trigger.PROMOTE.value


class Moves:
    """The moves of a run."""

    EVENTS = frozenset({Rung, Intent, Moved})
    """Events that it has to hear of when another output keeps the fold going."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._lines: dict[type, Callable[[Record, Any], bytes]] = {
            Rung: self._rung,
            Intent: self._intent,
            Moved: self._down,
        }

    def feed(self, record: Record) -> bytes:
        """Return the line of a record that is a move."""
        self._watch.follow(record)
        event = record.event
        line = self._lines.get(type(event))
        return b"" if line is None else line(record, event)

    def close(self) -> None:
        """Return nothing: the file grew."""
        return

    def _rung(self, record: Record, event: Rung) -> bytes:
        if event.moved_from is None:
            return b""
        trigger = event.trigger or _PROMOTE
        return self._climbed(record, event, event.moved_from, event.mode, trigger, event.reason)

    def _intent(self, record: Record, event: Intent) -> bytes:
        if event.moved_from is None:
            return b""
        return self._climbed(record, event, event.moved_from, Mode.LIVE, _PROMOTE, "")

    def _climbed(
        self, record: Record, event: Rung | Intent, start: Mode, end: Mode, trigger: str, reason: str
    ) -> bytes:
        return encode_line(
            MoveLine(
                record.time,
                self._watch.run.run_id,
                event.plan,
                event.step,
                event.agent,
                event.tool,
                start,
                end,
                trigger,
                event.rule,
                reason or _held_against(event.confidence, event.threshold),
                event.confidence,
                event.threshold,
                event.approval,
            )
        )

    def _down(self, record: Record, event: Moved) -> bytes:
        return encode_line(
            MoveLine(
                record.time,
                self._watch.run.run_id,
                event.plan,
                event.step,
                event.agent,
                event.tool,
                event.from_mode,
                event.to_mode,
                event.trigger,
                event.rule,
                event.reason,
                event.confidence,
                None,
                None,
            )
        )


@lru_cache(maxsize=1024)
def _held_against(confidence: float | None, threshold: float | None) -> str:
    if threshold is None:
        return ""
    return f"confidence {confidence or 0.0:g}, {threshold:g} needed"


class UndoLine(Struct, frozen=True, kw_only=True):
    """One undo.

    Attributes:
        ts: when it ended, UTC ISO 8601.
        run_id, plan_id, step_id, tool_name, agent_id: whose call was undone.
        trigger: what asked for it.
        result: how it ended.
        verified: the state was read back.
        error: why it failed, None where it did not.
        duration_ms: how long it took.
    """

    ts: str
    run_id: str
    plan_id: str
    step_id: str
    tool_name: str
    agent_id: str
    trigger: str
    result: UndoResult
    verified: bool
    error: str | None
    duration_ms: float | None


class Undos:
    """The undos of a run."""

    EVENTS = frozenset({UndoOutcome})
    """Events that it has to hear of when another output keeps the fold going."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def feed(self, record: Record) -> bytes:
        """Return the line of a record that is the end of an undo."""
        self._watch.follow(record)
        event = record.event
        if not isinstance(event, UndoOutcome):
            return b""
        return encode_line(
            UndoLine(
                ts=record.time,
                run_id=self._watch.run.run_id,
                plan_id=event.plan,
                step_id=event.step,
                tool_name=event.tool,
                agent_id=event.agent,
                trigger=event.trigger,
                result=event.result,
                verified=event.verified,
                error=event.error or None,
                duration_ms=places(event.duration_ms),
            )
        )

    def close(self) -> None:
        """Return nothing: the file grew."""
        return
