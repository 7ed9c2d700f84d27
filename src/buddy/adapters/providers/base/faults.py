"""Settable faults of a simulator, and the count of what reached it: one ASGI layer under every one of them.

A request may ask for its own fault by the header `X-Buddy-Fault`; rates draw them by seed.
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = Callable[[int, Scope], App]
"""A status and the request -> the answer that the vendor would give with that status."""

HEADER = b"x-buddy-fault"
STATUSES = (400, 401, 403, 404, 408, 409, 422, 429, 500, 502, 503, 504)
KINDS = (*map(str, STATUSES), "stall", "stall-after", "cut-before", "cut-after")
"""A status instead of the answer; no answer, before or after the effect; a connection that breaks."""

LOGGED = 10_000
"""Requests that the log keeps."""


class ConnectionCut(Exception):
    """The simulator broke the connection off."""


class Faults(Struct, frozen=True, kw_only=True):
    """What goes wrong, and how often.

    Attributes:
        rates: kind -> share of the requests that it happens to, 0 to 1; together at most 1.
        on: `all` requests, `reads` or `writes`.
        most: how many faults at most, from when they are set; None is no limit.
        latency_s: seconds that every answer takes, from and to.
        seed: of the draws.
        stall_s: seconds that a stall lasts.
        lag_s: seconds until what was written is seen by a search, where the vendor's index lags.
    """

    rates: dict[str, float] = {}
    on: Literal["all", "reads", "writes"] = "all"
    most: int | None = None
    latency_s: tuple[float, float] = (0.0, 0.0)
    seed: int = 0
    stall_s: float = 300.0
    lag_s: float = 0.0


class Counts(Struct, kw_only=True):
    """What reached a simulator.

    Attributes:
        requests: all of them.
        writes: those that do not only read, faults included.
        effects: writes that were carried out and answered with a status below 400.
        by: "METHOD /path" -> how many.
        faults: kind -> how many.
        log: method, path and status (0 where none was sent) of the last requests.
    """

    requests: int = 0
    writes: int = 0
    effects: int = 0
    by: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    log: deque[tuple[str, str, int]] = deque()

    def told(self) -> dict[str, Any]:
        """Return all of it as JSON."""
        return {
            "requests": self.requests,
            "writes": self.writes,
            "effects": self.effects,
            "by": dict(self.by),
            "faults": dict(self.faults),
            "log": [list(entry) for entry in self.log],
        }


def fresh() -> Counts:
    """Return counts that start at nothing."""
    return Counts(by=Counter(), faults=Counter(), log=deque(maxlen=LOGGED))


class FaultLayer:
    """Counts every request and lets it fail where it is to.

    Args:
        app: the simulator behind it.
        answer: gives a status the vendor's form.
        reads: whether a request, by its method and path, only reads.
        faults: what goes wrong; may be replaced at any time.

    Attributes:
        counts: what came so far.
        faults: what goes wrong.
    """

    def __init__(
        self,
        app: App,
        *,
        answer: Answer,
        reads: Callable[[str, str], bool],
        faults: Faults | None = None,
    ) -> None:
        self._app = app
        self._answer = answer
        self._reads = reads
        self.counts = fresh()
        self.set(faults or Faults())

    def set(self, faults: Faults) -> None:
        """Use other faults from now on; the draws start again from their seed."""
        self.faults = faults
        self._random = random.Random(faults.seed)
        self._drawn = 0

    def reset(self) -> None:
        """Count from nothing, and draw from the seed again."""
        self.counts = fresh()
        self.set(self.faults)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        writes = not self._reads(method, path)
        kind = self._kind(scope, writes)
        self.counts.requests += 1
        self.counts.writes += writes
        self.counts.by[f"{method} {path}"] += 1
        silent = kind in ("cut-after", "stall-after")
        logged = False

        async def heard(message: Message) -> None:
            nonlocal logged
            if message["type"] == "http.response.start":
                status = message["status"]
                self.counts.effects += writes and status < 400 and not kind.isdecimal()
                if not silent:
                    self.counts.log.append((method, path, status))
                    logged = True
            if not silent:
                await send(message)

        try:
            await self._late()
            await self._go(kind, scope, receive, heard)
        finally:
            if not logged:
                self.counts.log.append((method, path, 0))

    async def _go(self, kind: str, scope: Scope, receive: Receive, send: Send) -> None:
        if kind:
            self.counts.faults[kind] += 1
        if kind.isdecimal():
            await self._answer(int(kind), scope)(scope, receive, send)
            return
        if kind == "stall":
            await asyncio.sleep(self.faults.stall_s)
        if kind == "cut-before":
            cut(scope)
            return
        await self._app(scope, receive, send)
        if kind == "stall-after":
            await asyncio.sleep(self.faults.stall_s)
        if kind in ("stall-after", "cut-after"):
            cut(scope)

    def _kind(self, scope: Scope, writes: bool) -> str:
        asked = next((value.decode("latin-1") for name, value in scope["headers"] if name == HEADER), "")
        if asked in KINDS:
            return asked
        faults = self.faults
        spent = faults.most is not None and self._drawn >= faults.most
        if spent or faults.on == ("reads" if writes else "writes"):
            return ""
        drawn = self._random.random() if faults.rates else 1.0
        for kind, rate in faults.rates.items():
            if drawn < rate:
                self._drawn += 1
                return kind
            drawn -= rate
        return ""

    async def _late(self) -> None:
        low, high = self.faults.latency_s
        if high > 0:
            await asyncio.sleep(self._random.uniform(low, high))


def cut(scope: Scope) -> None:
    """Break the connection of a request off: the socket where it is served, an exception in process.

    Raises:
        ConnectionCut: there is no socket.
    """
    abort = scope.get("extensions", {}).get("buddy.cut")
    if abort is None:
        raise ConnectionCut("the connection was cut")
    abort()


def parse(text: str, seeds: Mapping[str, float]) -> Faults:
    """Read faults as they are written on a command line: `seeds`, or `429=0.05,500=0.02,lag=2`.

    Args:
        text: the words.
        seeds: the rates that the word `seeds` stands for.

    Raises:
        ValueError: with one sentence.
    """
    rates: dict[str, float] = {}
    lag = 0.0
    for part in text.split(",") if text not in ("", "none") else ():
        kind, _, amount = part.partition("=")
        if part == "seeds":
            rates |= seeds
        elif kind == "lag":
            lag = _number(part, amount, 3_600.0)
        elif kind in KINDS:
            rates[kind] = _number(part, amount, 1.0)
        else:
            known = f"seeds, none, lag=SECONDS or KIND=RATE with one of {', '.join(KINDS)}"
            raise ValueError(f"expected {known}, found {part!r}")
    if sum(rates.values()) > 1:
        raise ValueError(f"expected rates that are together at most 1, found {sum(rates.values()):g}")
    return Faults(rates=rates, lag_s=lag)


def _number(part: str, amount: str, most: float) -> float:
    try:
        found = float(amount)
    except ValueError:
        found = -1.0
    if not 0 <= found <= most:
        raise ValueError(f"expected a number from 0 to {most:,g}, found {part!r}")
    return found


def changed(faults: Faults, fields: Any) -> Faults:
    """Return faults with some fields replaced, as the admin address takes them.

    Raises:
        ValueError: with one sentence on what is wrong.
    """
    if not isinstance(fields, Mapping) or fields.keys() - set(faults.__struct_fields__):
        raise ValueError(f"expected an object with {', '.join(faults.__struct_fields__)}")
    try:
        made = msgspec.convert({**msgspec.to_builtins(faults), **fields}, Faults)
    except msgspec.ValidationError as problem:
        raise ValueError(str(problem)) from problem
    if made.rates.keys() - set(KINDS):
        raise ValueError(f"rates: expected {', '.join(KINDS)}")
    return made
