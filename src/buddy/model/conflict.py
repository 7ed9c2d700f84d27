"""Conflicts between steps, and what is done about them."""

from enum import Enum

from msgspec import Struct


class ConflictType(Enum):
    """What two steps (or a step and a limit) can be at odds over."""

    RESOURCE = "RESOURCE"
    ORDERING = "ORDERING"
    RATE_LIMIT = "RATE_LIMIT"
    DUPLICATE_ACTION = "DUPLICATE_ACTION"
    PERMISSION = "PERMISSION"
    TIMEOUT = "TIMEOUT"

    __hash__ = object.__hash__


class Strategy(Enum):
    """What is done about a conflict; `ALLOW` records it and changes nothing."""

    DELAY = "DELAY"
    REASSIGN = "REASSIGN"
    DOWNGRADE = "DOWNGRADE"
    ABORT = "ABORT"
    ALLOW = "ALLOW"


class StepRef(Struct, frozen=True, order=True, array_like=True, gc=False):
    """A step of a plan."""

    plan: str
    step: str

    def __str__(self) -> str:
        return f"{self.plan}/{self.step}"


class Conflict(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One conflict and its resolution.

    Attributes:
        conflict_id: `c1`, `c2`, ... in the order found.
        type: what it is about.
        steps: the steps in it, in execution order; at most 50 are listed.
        agents: theirs, sorted.
        resource: what they are at odds over: a resource, a tool, a permission.
        resolution: what is done.
        reason: one sentence.
        resolved: False where nothing could be done and the steps are held.
        step_count: how many steps are in it, where `steps` is cut short.
    """

    conflict_id: str
    type: ConflictType
    steps: tuple[StepRef, ...]
    agents: tuple[str, ...]
    resource: str
    resolution: Strategy
    reason: str
    resolved: bool = True
    step_count: int = 0
