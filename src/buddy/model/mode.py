"""The rungs of the ladder, and the two scales beside it."""

from enum import Enum
from typing import Final


class Mode(Enum):
    """A rung: `MOCK` touches nothing, `DRY_RUN` only reads, `LIVE` acts. Ordered from safe to real."""

    MOCK = "MOCK"
    DRY_RUN = "DRY_RUN"
    LIVE = "LIVE"

    rank: int

    # Members are singletons: Enum's own hash is Python code and these are dict keys in every decision.
    __hash__ = object.__hash__

    def __lt__(self, other: "Mode") -> bool:
        return self.rank < other.rank

    def __le__(self, other: "Mode") -> bool:
        return self.rank <= other.rank

    def __gt__(self, other: "Mode") -> bool:
        return self.rank > other.rank

    def __ge__(self, other: "Mode") -> bool:
        return self.rank >= other.rank


for _rank, _mode in enumerate(Mode):
    _mode.rank = _rank

# Python 3.11 takes ten times as long to find a member in its class as it takes to find a name of its own.
MOCK: Final = Mode.MOCK
DRY_RUN: Final = Mode.DRY_RUN
LIVE: Final = Mode.LIVE


class Risk(Enum):
    """How much harm a wrong call of a tool can do."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"

    __hash__ = object.__hash__


class Effect(Enum):
    """Whether a tool changes the world."""

    READ = "read"
    WRITE = "write"


class Undo(Enum):
    """What can be restored after a live write.

    `EXACT`: the state before, to the byte. `EQUIVALENT`: the content, under a new identity.
    `NONE`: nothing; the write is irreversible.
    """

    EXACT = "exact"
    EQUIVALENT = "equivalent"
    NONE = "none"


class OnError(Enum):
    """What an error other than `ToolError` from a live write means."""

    UNKNOWN = "unknown"
    NO_EFFECT = "no_effect"
