"""`@tool`: a function becomes a tool with a contract, and its other handlers register on it."""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from functools import partial
from types import CoroutineType
from typing import Any, TypeVar, overload

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from buddy.adapters.tools import signature, threads
from buddy.adapters.tools.contracted import ContractTool, NotJson
from buddy.adapters.tools.declaration import declare
from buddy.adapters.tools.signature import Handler
from buddy.core import references
from buddy.errors import BadInput, BuddyError, InvalidArguments, ToolError
from buddy.model.contract import Rate, ToolContract
from buddy.model.mode import Effect, OnError, Risk, Undo
from buddy.model.outcome import Call, Preview, Restored
from buddy.ports import CallContext

F = TypeVar("F", bound=Callable[..., Any])

_JSON = (TypeError, ValueError, OverflowError, RecursionError)
_previews = msgspec.json.Decoder(Preview)


class Tool(ContractTool):
    """A function with its contract and handlers; calling it calls the function.

    `@t.preview`, `@t.mock`, `@t.undo` and `@t.probe` register a handler; the same names with a call's
    arguments run it. Handlers may be async, or sync: those run in a thread, where nothing can stop them.

    Attributes:
        contract: what it promises.
        sync: a live call or its undo runs in a thread; who gives up waiting and still wants its end keeps
            the task.
    """

    def __init__(
        self,
        contract: ToolContract,
        live: Handler,
        converted: Mapping[str, Any],
        names: tuple[str, ...],
        *,
        seed: int = 0,
        inline: bool = False,
    ) -> None:
        super().__init__(contract, seed)
        self._handlers = {"live": live}
        self._has = frozenset(self._handlers)
        self._converted = converted
        self._names = names
        self._inline = inline
        self._acting: dict[object, str] = {}
        self.sync = self._uses_threads()
        self.__doc__ = live.function.__doc__
        self.__name__ = getattr(live.function, "__name__", contract.name)
        self.__module__ = getattr(live.function, "__module__", __name__)
        self.__wrapped__ = live.function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, past every gate; for tests."""
        return self._handlers["live"].function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<tool {self.name} ({', '.join(sorted(self._handlers))})>"

    @property
    def handlers(self) -> frozenset[str]:
        """Which of `live`, `preview`, `mock`, `undo`, `probe` it has."""
        if len(self._has) != len(self._handlers):
            self._has = frozenset(self._handlers)
        return self._has

    def bound(self, contract: ToolContract | None = None, *, seed: int = 0, inline: bool = False) -> "Tool":
        """Return the same handlers under another contract or in another setting.

        Args:
            contract: instead of its own.
            seed: of results made up from its output schema.
            inline: run sync handlers on the event loop, as virtual time needs it.
        """
        twin = type(self)(
            contract or self.contract,
            self._handlers["live"],
            self._converted,
            self._names,
            seed=seed,
            inline=inline,
        )
        twin._handlers = self._handlers
        twin.sync = twin._uses_threads()
        return twin

    def check(self, args: dict[str, Any]) -> str:
        """One sentence on what is wrong with the arguments, or an empty string."""
        problem = super().check(args)
        if problem or not self._converted:
            return problem
        plain = {name: value for name, value in args.items() if not references.has_unknown(value)}
        secret = self.contract.secret_args
        return signature.convert(plain, {k: v for k, v in self._converted.items() if k not in secret})

    def acts(self, key: str) -> bool:
        """Whether its function or its undo still runs in a thread for the call with this idempotency key."""
        return key in list(self._acting.values())

    async def live(self, args: dict[str, Any], ctx: CallContext) -> Any:
        """Act (or, for a read, read); a result that JSON has no form for comes back as `NotJson`."""
        result = await self._run(self._handlers["live"], args, ctx, ctx.idempotency_key)
        try:
            return _as_json(result)
        except _JSON as problem:  # it has acted: whatever it returned, this must not look like a failure
            return NotJson(f"{type(result).__name__}: {problem}")

    @overload
    def preview(self, args: F, ctx: None = None) -> F: ...
    @overload
    def preview(self, args: dict[str, Any], ctx: CallContext) -> Any: ...
    def preview(self, args: Any, ctx: CallContext | None = None) -> Any:
        """Register the handler that finds out what `live` would do by reading only; or run it."""
        return self._register("preview", args) if ctx is None else self._preview(args, ctx)

    @overload
    def mock(self, args: F, ctx: None = None) -> F: ...
    @overload
    def mock(self, args: dict[str, Any], ctx: CallContext) -> Any: ...
    def mock(self, args: Any, ctx: CallContext | None = None) -> Any:
        """Register the handler that makes up a result; or run it."""
        return self._register("mock", args) if ctx is None else self._mock(args, ctx)

    @overload
    def undo(self, call: F, result: None = None) -> F: ...
    @overload
    def undo(self, call: Call, result: Any) -> Any: ...
    def undo(self, call: Any, result: Any = None) -> Any:
        """Register the handler that compensates, given the call and its result; or run it."""
        return self._undo(call, result) if isinstance(call, Call) else self._register("undo", call)

    @overload
    def probe(self, call: F) -> F: ...
    @overload
    def probe(self, call: Call) -> Any: ...
    def probe(self, call: Any) -> Any:
        """Register the handler that looks whether a call happened; or run it."""
        return self._probe(call) if isinstance(call, Call) else self._register("probe", call)

    def _register(self, what: str, function: F) -> F:
        if what in self._handlers:
            raise BadInput(f"{self.name} has a {what} handler already")
        names = self._names if what in ("preview", "mock") else None
        self._handlers[what] = signature.handler(function, names, {"undo": 2, "probe": 1}.get(what, 0))
        self.sync = self._uses_threads()
        return function

    def _uses_threads(self) -> bool:
        acting = (self._handlers[what] for what in ("live", "undo") if what in self._handlers)
        return not self._inline and any(handler.sync for handler in acting)

    async def _preview(self, args: dict[str, Any], ctx: CallContext) -> Preview:
        found = self._handlers.get("preview")
        if found is None:
            if self.contract.writes:
                return await super().preview(args, ctx)
            return Preview(result=await self.live(args, ctx))
        preview = await self._run(found, args, ctx)
        if not isinstance(preview, Preview):
            raise ToolError(_wrong("preview", self.name, preview, "Preview"))
        try:
            return _previews.decode(msgspec.json.encode(preview))
        except _JSON as problem:
            raise ToolError(f"the preview of {self.name} has no form in JSON: {problem}") from problem

    async def _mock(self, args: dict[str, Any], ctx: CallContext) -> Any:
        found = self._handlers.get("mock")
        if found is None or references.has_unknown(args):
            return await super().mock(args, ctx)
        result = await self._run(found, args, ctx)
        try:
            return _as_json(result)
        except _JSON as problem:
            raise ToolError(f"the mock result of {self.name} has no form in JSON: {problem}") from problem

    async def _undo(self, call: Call, result: Any) -> Restored:
        found = self._handlers.get("undo")
        if found is None:
            return await super().undo(call, result)
        undo = partial(found.function, _own(call), msgspec.to_builtins(result))
        restored = await self._call(found, undo, call.idempotency_key)
        if restored is None:
            return Restored()
        if not isinstance(restored, Restored):
            raise BuddyError(_wrong("undo", self.name, restored, "Restored or None"))
        return restored

    async def _probe(self, call: Call) -> bool | None:
        found = self._handlers.get("probe")
        if found is None:
            return await super().probe(call)
        happened = await self._call(found, partial(found.function, _own(call)))
        if happened is not None and not isinstance(happened, bool):
            raise BuddyError(_wrong("probe", self.name, happened, "True, False or None"))
        return happened

    def _run(
        self, handler: Handler, args: dict[str, Any], ctx: CallContext, acts_for: str = ""
    ) -> Coroutine[Any, Any, Any]:
        given: dict[str, Any] = msgspec.to_builtins(args)  # a copy: what a handler does to it stays with it
        if self._converted:
            problem = signature.convert(given, self._converted)
            if problem:
                raise InvalidArguments(problem)
        if handler.context:
            given[handler.context] = ctx
        return self._call(handler, partial(handler.function, **given), acts_for)

    async def _call(self, handler: Handler, call: Callable[[], Any], acts_for: str = "") -> Any:
        try:
            result = call() if self._inline or not handler.sync else await self._in_thread(call, acts_for)
            awaits = type(result) is CoroutineType or inspect.isawaitable(result)
            return await result if awaits else result
        except SystemExit as stop:  # would end Buddy, not just the tool
            raise RuntimeError(f"{self.name} called sys.exit({stop.code!r})") from stop

    def _in_thread(self, call: Callable[[], Any], key: str) -> Awaitable[Any]:
        """Call a function in a thread; what acts for a call, and does not only look, has its key."""
        thread = object()

        def noted() -> Any:
            try:
                return call()
            finally:
                # Whoever still waits for it: a loop may end before its threads do.
                del self._acting[thread]

        self._acting[thread] = key
        try:
            return threads.run(noted)
        except BaseException:
            del self._acting[thread]
            raise


def _wrong(what: str, name: str, found: Any, expected: str) -> str:
    return f"the {what} handler of {name} returned {type(found).__name__}, expected {expected}"


def _own(call: Call) -> Call:
    """Return a call with arguments of its own: what a handler does to them stays with it."""
    return replace(call, args=msgspec.to_builtins(call.args))


def _as_json(value: Any) -> Any:
    """Give a value the form that the journal will give it, so that a resume sees what this run saw."""
    return msgspec.json.decode(msgspec.json.encode(value))


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *,
    name: str | None = None,
    summary: str | None = None,
    risk: Risk | str = Risk.HIGH,
    effect: Effect | str = Effect.WRITE,
    undo: Undo | str = Undo.NONE,
    idempotent: bool = False,
    on_error: OnError | str = OnError.UNKNOWN,
    permissions: Iterable[str] = (),
    resources: Iterable[str] = (),
    depends_on: Iterable[str] = (),
    timeout_s: float = 30.0,
    max_concurrency: int | None = None,
    rate: Rate | tuple[int, float] | None = None,
    secret_args: Iterable[str] = (),
    volatile: Iterable[str] = (),
    input: dict[str, Any] | None = None,
    output: dict[str, Any] | None = None,
    example: Any = UNSET,
    version: str = "1",
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None, /, **fields: Any
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a function a tool; what is left out takes the safest value.

    Args:
        function: sync or async; its parameters are the tool's arguments, a `ctx: CallContext` apart.
        fields: those of `ToolContract`. `name` is the function's, `summary` the first line of its docstring,
            `input` and `output` come from its annotations; `rate` may be `(calls, seconds)`.

    Raises:
        BadInput: with every field that is wrong, or because the signature cannot be a tool's.
    """
    return partial(_make, fields=fields) if function is None else _make(function, fields)


def _make(function: Callable[..., Any], fields: Mapping[str, Any]) -> Tool:
    read = signature.read(function)
    lines = (inspect.getdoc(function) or "").strip().splitlines()
    found = {
        "name": getattr(function, "__name__", None) or signature.place(function),
        "summary": lines[0] if lines else "",
        "input": read.input,
        "output": read.output,
    }
    given = {key: value for key, value in fields.items() if not (key in found and value is None)}
    if isinstance(given.get("rate"), tuple) and len(given["rate"]) == 2:
        given["rate"] = dict(zip(("calls", "seconds"), given["rate"], strict=True))
    contract, problems = declare({**found, **{k: v for k, v in given.items() if v is not UNSET}})
    if contract is None:
        raise BadInput([f"tool {given.get('name', found['name'])}: {problem}" for problem in problems])
    return Tool(contract, signature.handler(function, read.names), read.converted, read.names)
