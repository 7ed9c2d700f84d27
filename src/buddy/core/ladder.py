"""The ladder as a table: which move leads where, and nothing else moves.

MOCK --promote--> DRY_RUN --promote--> LIVE
MOCK <--demote--- DRY_RUN <--demote--- LIVE
MOCK <------------------lock---------- any
"""

from enum import Enum

from buddy.errors import IllegalMove
from buddy.model.mode import Mode


class Trigger(Enum):
    """What moves a step on the ladder."""

    PROMOTE = "promote"
    DEMOTE = "demote"
    LOCK = "lock"

    __hash__ = object.__hash__


MOVES: dict[tuple[Mode, Trigger], Mode] = {
    (Mode.MOCK, Trigger.PROMOTE): Mode.DRY_RUN,
    (Mode.DRY_RUN, Trigger.PROMOTE): Mode.LIVE,
    (Mode.LIVE, Trigger.DEMOTE): Mode.DRY_RUN,
    (Mode.DRY_RUN, Trigger.DEMOTE): Mode.MOCK,
    (Mode.MOCK, Trigger.LOCK): Mode.MOCK,
    (Mode.DRY_RUN, Trigger.LOCK): Mode.MOCK,
    (Mode.LIVE, Trigger.LOCK): Mode.MOCK,
}


def move(mode: Mode, trigger: Trigger) -> Mode:
    """Return the rung that a trigger leads to.

    Raises:
        IllegalMove: the table has no such move.
    """
    try:
        return MOVES[mode, trigger]
    except KeyError:
        raise IllegalMove(f"no move '{trigger.value}' leads away from {mode.value}") from None


def below(mode: Mode) -> Mode | None:
    """Return the rung that has to be passed before this one, None for the lowest."""
    for (lower, trigger), upper in MOVES.items():
        if trigger is Trigger.PROMOTE and upper is mode:
            return lower
    return None
