"""Which live writes are undone when a step fails for good, in which order, and what an undo may claim."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from buddy.model.mode import Undo
from buddy.model.outcome import Restored, UndoResult


class Done(Struct, frozen=True, kw_only=True, gc=False):
    """A live write that succeeded.

    Attributes:
        step_id: of its step; items of a fan-out have their own.
        tool, agent: of the call.
        group: rolled back together; None is the plan.
        order: grows with completion.
        args: as called, secrets as references.
        digest: of the call, by which the home has it in its books.
        result: what the call returned.
        key: its idempotency key.
    """

    step_id: str
    tool: str
    agent: str
    group: str | None
    order: int
    args: dict[str, Any]
    digest: str
    result: Any
    key: str


def undo_order(done: Iterable[Done], group: str | None) -> list[Done]:
    """Return the live writes of a group, the last completed first."""
    return sorted((call for call in done if call.group == group), key=lambda call: -call.order)


def result_of(undo: Undo, restored: Restored) -> UndoResult:
    """Return the most that an undo may claim: never more than its contract promises."""
    match undo:
        case Undo.EXACT:
            return UndoResult.RESTORED_EXACT if restored.exact else UndoResult.RESTORED_EQUIVALENT
        case Undo.EQUIVALENT:
            return UndoResult.RESTORED_EQUIVALENT
        case Undo.NONE:
            return UndoResult.NOT_REVERSIBLE


RESTORED = frozenset({UndoResult.RESTORED_EXACT, UndoResult.RESTORED_EQUIVALENT})
"""Results after which a step counts as rolled back."""
