import itertools

import pytest

from buddy.core.ladder import MOVES, Trigger, below, move
from buddy.errors import IllegalMove
from buddy.model.mode import Mode

RUNGS = list(Mode)


@pytest.mark.parametrize(("mode", "trigger"), list(itertools.product(Mode, Trigger)))
def test_every_move_is_one_rung_or_a_lock(mode: Mode, trigger: Trigger) -> None:
    place = RUNGS.index(mode) + {Trigger.PROMOTE: 1, Trigger.DEMOTE: -1, Trigger.LOCK: 0}[trigger]
    if trigger is Trigger.LOCK:
        assert move(mode, trigger) is Mode.MOCK
    elif 0 <= place < len(RUNGS):
        assert move(mode, trigger) is RUNGS[place]
    else:
        with pytest.raises(IllegalMove, match=f"'{trigger.value}' leads away from {mode.value}"):
            move(mode, trigger)
        assert (mode, trigger) not in MOVES


def test_the_rung_below_is_the_one_that_leads_up() -> None:
    assert [below(mode) for mode in Mode] == [None, Mode.MOCK, Mode.DRY_RUN]


def test_modes_are_ordered_as_they_are_declared() -> None:
    assert sorted([Mode.LIVE, Mode.MOCK, Mode.DRY_RUN]) == RUNGS
    assert Mode.MOCK < Mode.LIVE
    assert Mode.LIVE > Mode.DRY_RUN
    assert Mode.LIVE >= Mode.LIVE
    assert not Mode.LIVE <= Mode.DRY_RUN
