"""A provider's operations as tools: one function acts on every rung, under a client bound to the rung's mode.

An `Offer` (contract and names of handlers) imports nothing heavy, so that the catalogue can always list it;
the provider's `operations` module is imported at the first call.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from buddy.adapters.providers.base.credentials import Access
from buddy.adapters.providers.base.errors import Captured, CapturedRequest
from buddy.adapters.providers.base.extras import part
from buddy.adapters.providers.base.rehearsal import Rehearsal
from buddy.model.contract import ToolContract
from buddy.model.mode import Mode
from buddy.model.outcome import Call, Change, Preview, Restored
from buddy.ports import CallContext

PLACEHOLDER = "preview:"
"""In front of an id that a preview makes up for a record that does not exist yet."""


class Offer(Struct, frozen=True, kw_only=True):
    """A tool that a provider offers.

    Attributes:
        contract: what it promises.
        module: what defines `OPERATIONS` (tool -> `Operation`) and `connect`.
        handlers: of `live`, `preview`, `mock`, `undo`, `probe`, those that it has.
        extra: of this package, which its module needs.
    """

    contract: ToolContract
    module: str
    handlers: frozenset[str]
    extra: str = "providers"


class Asked(Struct, frozen=True, kw_only=True):
    """One call, as an operation sees it.

    Attributes:
        args: the arguments.
        mode: the rung.
        key: the idempotency key, the same over retries, resumes, undo and probe.
        seen: what the operation read before it was stopped, for its description.
        run: its id; calls of one run share what is kept between calls, such as a browser's page.
        attempt: 1 for the first; what a later one reads may be what an earlier one left.
    """

    args: Mapping[str, Any]
    mode: Mode
    key: str
    seen: dict[str, Any] = {}
    run: str = ""
    attempt: int = 1


Connect = Callable[[Asked, Access], AbstractAsyncContextManager[Any]]
"""Opens a client bound to the call's mode; in MOCK on a simulator in which what the call needs exists."""


class Operation(Struct, frozen=True, kw_only=True):
    """What a tool does, given a client that is bound to the mode.

    Attributes:
        act: does it; every request goes through the guard, so that it is the same in every mode.
        describe: after DRY_RUN stopped the write, reads what would change; also says what would be returned.
        stand_in: made-up JSON for a write that DRY_RUN stopped, so that those that follow it are seen too.
        undo: compensates.
        probe: looks whether a call happened.
    """

    act: Callable[[Any, Asked], Awaitable[Any]]
    describe: Callable[[Any, Asked, CapturedRequest], Awaitable[tuple[Sequence[Change], Any]]] | None = None
    stand_in: Callable[[Asked, CapturedRequest], Any] | None = None
    undo: Callable[[Any, Asked, Any], Awaitable[Restored]] | None = None
    probe: Callable[[Any, Asked], Awaitable[bool | None]] | None = None


class OfferedTool:
    """The handlers of an offer, imported when they are first called.

    Args:
        offer: of the provider.
        access: where credentials are looked for.
    """

    def __init__(self, offer: Offer, access: Access) -> None:
        self.offer = offer
        self._access = access

    async def live(self, args: Mapping[str, Any], ctx: CallContext) -> Any:
        """Act in the mode of the call (a read is called in DRY_RUN as well)."""
        key, run = ctx.idempotency_key, ctx.run_id
        return await self._act(Asked(args=args, mode=ctx.mode, key=key, run=run, attempt=ctx.attempt))

    async def mock(self, args: Mapping[str, Any], ctx: CallContext) -> Any:
        """Act on the simulator."""
        return await self._act(Asked(args=args, mode=Mode.MOCK, key=ctx.idempotency_key, run=ctx.run_id))

    async def preview(self, args: Mapping[str, Any], ctx: CallContext) -> Preview:
        """Go as far as reading goes, and return what was stopped: the requests that would write."""
        asked = Asked(args=args, mode=Mode.DRY_RUN, key=ctx.idempotency_key, run=ctx.run_id)
        operation, connect = self._module()
        stand_in = operation.stand_in
        rehearsal = Rehearsal(partial(stand_in, asked) if stand_in else None)
        async with connect(asked, self._access) as client:
            with rehearsal.going_on():
                requests, result = await _rehearsed(operation.act(client, asked), rehearsal)
            if not requests:
                return Preview(result=result, notes=["Nothing would be written."])
            changes, result = [], None
            if operation.describe is not None:
                described, result = await operation.describe(client, asked, requests[0])
                changes = [msgspec.to_builtins(change) for change in described]
        first, *then = [msgspec.to_builtins(request) for request in requests]
        shown = {**_first(changes), "request": first, **({"then": then} if then else {})}
        return Preview(changes=[shown, *changes[1:]], result=result)

    async def undo(self, call: Call, result: Any) -> Restored:
        """Compensate a live call."""
        asked = _asked(call)
        operation, connect = self._module()
        assert operation.undo is not None
        async with connect(asked, self._access) as client:
            return await operation.undo(client, asked, result)

    async def probe(self, call: Call) -> bool | None:
        """Look whether a live call happened."""
        asked = _asked(call)
        operation, connect = self._module()
        assert operation.probe is not None
        async with connect(asked, self._access) as client:
            return await operation.probe(client, asked)

    async def _act(self, asked: Asked) -> Any:
        operation, connect = self._module()
        async with connect(asked, self._access) as client:
            return await operation.act(client, asked)

    def _module(self) -> tuple[Operation, Connect]:
        name = self.offer.contract.name
        module = part(self.offer.module, name, self.offer.extra)
        return module.OPERATIONS[name], module.connect


async def _rehearsed(act: Awaitable[Any], rehearsal: Rehearsal) -> tuple[list[CapturedRequest], Any]:
    """Return the writes that an operation was kept from, in order, and what it came to."""
    try:
        result = await act
    except Captured as stopped:
        # A browser's window has a guard of its own, which tells no rehearsal.
        return rehearsal.stopped or [stopped.request], None
    return rehearsal.stopped, result


def _asked(call: Call) -> Asked:
    return Asked(args=call.args, mode=Mode.LIVE, key=call.idempotency_key, run=call.run_id)


def _first(changes: Sequence[Any]) -> Mapping[str, Any]:
    return changes[0] if changes else {}
