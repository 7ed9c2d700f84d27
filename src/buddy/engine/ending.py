"""How a step's turn ended."""

from typing import Any

from msgspec import Struct

from buddy.model.mode import Mode
from buddy.model.outcome import Preview, StepStatus


class Ending(Struct, frozen=True, kw_only=True, gc=False):
    """Where a step came to rest.

    Attributes:
        status: `HELD` where it waits for something that can change.
        reached: the highest rung passed.
        result: of that rung.
        preview: of DRY_RUN.
        rule: that stopped it.
        reason: one sentence.
        waits_for: id of the approval that it waits for.
    """

    status: StepStatus
    reached: Mode | None
    result: Any = None
    preview: Preview | None = None
    rule: str = ""
    reason: str = ""
    waits_for: str | None = None
