"""An operation that is rehearsed: each write that LIVE would make is stopped and seen, not only the first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from buddy.adapters.providers.base.errors import CapturedRequest


class Rehearsal:
    """What DRY_RUN stops while an operation is rehearsed, and what it is told instead so that it goes on.

    Args:
        stand_in: returns made-up JSON for a request that was stopped, None to end the operation there.
    """

    def __init__(self, stand_in: Callable[[CapturedRequest], Any] | None = None) -> None:
        self.stopped: list[CapturedRequest] = []
        self._stand_in = stand_in

    def answer(self, request: CapturedRequest) -> Any:
        """Keep a request that was stopped, and return what stands in for its answer."""
        self.stopped.append(request)
        return None if self._stand_in is None else self._stand_in(request)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Let the guards of this task tell this rehearsal what they stop."""
        token = UNDER_WAY.set(self)
        try:
            yield
        finally:
            UNDER_WAY.reset(token)


UNDER_WAY: ContextVar[Rehearsal | None] = ContextVar("rehearsal", default=None)
"""That of this task; guards tell it what they stop."""
