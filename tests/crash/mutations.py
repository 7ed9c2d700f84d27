"""Buddy with one of its protections taken out: what the simulation must find, each."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar
from unittest.mock import patch

from buddy.adapters.home import approvals, ledger, runs, times
from buddy.adapters.journal import file as journal_file
from buddy.core import gate
from buddy.core.duplicates import ActionIndex
from buddy.engine import asking
from buddy.engine.climb import Climb
from buddy.engine.limits import Claims
from buddy.engine.plans import PlanState
from buddy.engine.recovery import Past
from buddy.engine.run import Run
from buddy.engine.steady import SteadyClock
from buddy.engine.syncs import Syncs
from buddy.journal import codec
from buddy.model.home import LockState
from buddy.model.outcome import StepStatus
from crash.machine import SimDisk

T = TypeVar("T")


@contextmanager
def _intents_not_synced() -> Iterator[None]:
    begin = Run._begin_all

    def quick(run: Run) -> None:
        with patch.object(Run, "flush", lambda run: None):
            begin(run)

    with patch.object(Run, "_begin_all", quick):
        yield


def _at_once(name: str) -> AbstractContextManager[Any]:
    """Have nobody wait for what is shared by this name, and nothing done for it."""

    def waits(syncs: Syncs) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    return patch.object(Syncs, name, waits)


def _unclaimed() -> AbstractContextManager[Any]:
    async def take(claims: Claims, holder: str, wanted: T) -> T:
        return wanted

    return patch.multiple(Claims, take=take, give=lambda claims, holder: None)


@contextmanager
def _duplicates_made() -> Iterator[None]:
    with (
        patch.object(ledger, "earlier", lambda *args, **more: iter(())),
        patch.object(ActionIndex, "find", lambda actions, digest, resources: None),
    ):
        yield


def _calls_in_doubt_repeated() -> AbstractContextManager[Any]:
    standing = Past._standing

    def again(past: Past, state: Any, place: int, name: str, step: Any) -> StepStatus:
        found = standing(past, state, place, name, step)
        if found is not StepStatus.UNKNOWN:
            return found
        state.doubts.pop()
        return StepStatus.PENDING

    return patch.object(Past, "_standing", again)


def _late_looks() -> AbstractContextManager[Any]:
    return patch.object(Run, "look", lambda run: run.lock())


def _clock_set_back() -> AbstractContextManager[Any]:
    return patch.object(SteadyClock, "now", lambda clock: clock._now())


def _time_of_the_home_set_back() -> AbstractContextManager[Any]:
    return patch.object(times, "advance", lambda connection, now: now)


MUTATIONS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "an intent is not on the disk before its call": _intents_not_synced,
    "an outcome is not on the disk before anybody goes on": lambda: _at_once("durable"),
    "an outcome is in no file before its agent goes on": lambda: _at_once("ride"),
    "nobody is asked": lambda: patch.object(gate, "approval_reasons", lambda facts: ()),
    "an approval is not consumed": lambda: patch.object(approvals, "consume", lambda *args: None),
    "a yes to other arguments is one to these": lambda: patch.object(
        asking, "_edit_of", lambda approval: None
    ),
    "a call in doubt is made again as another": lambda: patch.object(Climb, "_closed", lambda climb: None),
    "nothing is claimed": _unclaimed,
    "duplicates are made": _duplicates_made,
    "two processes may have a journal": lambda: patch.object(journal_file.fcntl, "flock", lambda *args: None),
    "a torn line stays": lambda: patch.object(SimDisk, "truncate", lambda disk, file, size: None),
    "the chain is not checked": lambda: patch.object(
        codec, "_checked", lambda line, before, number: line[-67:-3].decode("ascii", "replace")
    ),
    "the lock is not looked at": lambda: patch.object(
        ledger.lock, "state", lambda connection: LockState(epoch=0, engaged=False)
    ),
    "a call in doubt is made again": _calls_in_doubt_repeated,
    "a failed attempt settles the one before it": lambda: patch.object(
        PlanState, "standing", lambda plan, name, status: status
    ),
    "what had no effect is not freed": lambda: patch.object(ledger, "not_standing", lambda *args: []),
    "what had one is freed": lambda: patch.object(Past, "_standing_actions", lambda past: iter(())),
    "the home does not hear of intents": lambda: patch.object(runs, "note_head", lambda *args: None),
    "a clock that is set back is believed": _clock_set_back,
    "the home forgets the latest time": _time_of_the_home_set_back,
    "an undo looks at the lock as it was": _late_looks,
}
"""What is taken out -> how."""
