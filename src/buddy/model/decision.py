"""What the gate answers."""

from msgspec import Struct

from buddy.model.mode import Mode


class Ceiling(Struct, frozen=True, gc=False):
    """How high a rule lets a step climb.

    Attributes:
        mode: the highest rung allowed.
        rule: name of the rule that says so.
        reason: one sentence, with what would change it.
    """

    mode: Mode
    rule: str
    reason: str


class Run(Struct, frozen=True, gc=False):
    """The step may run on this rung now."""

    mode: Mode
    rule: str
    threshold: float | None


class NeedsApproval(Struct, frozen=True, gc=False):
    """A person has to say yes first."""

    rule: str
    reason: str


class Wait(Struct, frozen=True, gc=False):
    """Not now; ask again when something ends."""

    rule: str
    reason: str


class Denied(Struct, frozen=True, gc=False):
    """No, and this is how high it may climb instead."""

    ceiling: Ceiling


Decision = Run | NeedsApproval | Wait | Denied
