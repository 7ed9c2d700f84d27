"""What is wrong with a call that stands in no plan, where nothing has read its names for it."""

from collections.abc import Iterator
from typing import Any

from buddy.core.planning import shown

LONGEST_ID = 256


def lone_call_problems(agent: Any, tool: Any, call_id: Any, confidence: Any) -> Iterator[str]:
    """Yield what is wrong with a call that stands in no plan; it may have no id and no confidence."""
    for name, value in (("agent", agent), ("tool", tool), ("call_id", call_id)):
        if value is None and name == "call_id":
            continue
        if not isinstance(value, str):
            yield f"{name}: expected a text, found {shown(value)}"
        elif not 1 <= len(value) <= LONGEST_ID:
            yield f"{name}: expected 1 to {LONGEST_ID} characters, found {len(value)}"
        elif not value.isprintable():
            yield f"{name}: expected no control or invisible characters, found {shown(value)}"
    if confidence is not None and not _is_fraction(confidence):
        yield f"confidence: expected a number from 0 to 1, found {shown(confidence)}"


def _is_fraction(value: Any) -> bool:
    """Whether a value is a number of any kind, as of `decimal` or numpy, from 0 to 1; a text is none."""
    try:
        return hasattr(type(value), "__float__") and 0.0 <= float(value) <= 1.0
    except (ArithmeticError, TypeError, ValueError):
        return False
