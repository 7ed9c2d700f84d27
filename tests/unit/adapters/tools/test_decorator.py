import asyncio
import datetime
import threading
from collections.abc import Awaitable, Coroutine
from typing import Any

import pytest
from msgspec import Struct

from buddy import (
    BadInput,
    BuddyError,
    Call,
    CallContext,
    Change,
    ChangedSince,
    InvalidArguments,
    Mode,
    Preview,
    Restored,
    Risk,
    Tool,
    ToolError,
    tool,
)
from buddy.adapters.tools.contracted import NotJson
from buddy.core.references import UNKNOWN
from buddy.errors import IllegalMove
from buddy.model.contract import Rate, ToolContract
from buddy.model.mode import Effect, OnError, Undo
from buddy.ports import ToolRuntime

CTX = CallContext(
    mode=Mode.LIVE, run_id="r", step_id="s", agent="a", attempt=2, deadline=9.0, idempotency_key="k"
)
CALL = Call(tool="t", args={"a": 1}, agent="a", run_id="r", step_id="s", idempotency_key="k")


def run(it: Awaitable[Any]) -> Any:
    async def main() -> Any:
        return await it

    return asyncio.run(main())


def test_every_field_reaches_the_contract() -> None:
    @tool(
        name="calendar.update_event",
        summary="Change one field.",
        risk=Risk.MEDIUM,
        effect="write",
        undo="exact",
        permissions={"calendar.write", "a"},
        resources=["event:{event_id}"],
        on_error="no_effect",
        timeout_s=30,
        idempotent=True,
        volatile=["/*/at"],
        rate=(10, 60),
        max_concurrency=2,
        secret_args=["token"],
        depends_on=["calendar.find"],
        example={"ok": True},
        version="2",
        output={"type": "object"},
    )
    def update_event(event_id: str, token: str | None = None) -> None:
        """Not this."""

    assert isinstance(update_event, Tool)
    assert update_event.contract == ToolContract(
        name="calendar.update_event", summary="Change one field.", risk=Risk.MEDIUM, effect=Effect.WRITE,
        undo=Undo.EXACT, permissions=("a", "calendar.write"), resources=("event:{event_id}",),
        on_error=OnError.NO_EFFECT, timeout_s=30.0, idempotent=True, volatile=("/*/at",),
        rate=Rate(calls=10, seconds=60.0), max_concurrency=2, secret_args=("token",),
        depends_on=("calendar.find",), example={"ok": True}, version="2", output={"type": "object"},
        input={
            "type": "object",
            "properties": {
                "event_id": {"type": "string"},
                "token": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            },
            "required": ["event_id"],
            "additionalProperties": False,
        },
    )  # fmt: skip


def test_a_bare_tool_is_as_careful_as_can_be() -> None:
    @tool
    def remove(record: int) -> bool:
        """Remove a record.

        For good.
        """
        return record > 0

    contract = remove.contract
    assert (contract.name, contract.summary) == ("remove", "Remove a record.")
    assert (contract.risk, contract.effect, contract.undo) == (Risk.HIGH, Effect.WRITE, Undo.NONE)
    assert contract.output == {"type": "boolean"}
    assert remove.handlers == {"live"}
    assert remove(3) is True
    assert remove(record=-1) is False


def test_a_rate_may_be_a_record_and_an_input_schema_is_taken_as_given() -> None:
    @tool(rate=Rate(calls=1, seconds=2), input={"type": "object"}, output=None)
    def f(a: int) -> int:
        return a

    assert f.contract.rate == Rate(calls=1, seconds=2)
    assert f.contract.input == {"type": "object"}
    assert f.contract.output == {"type": "integer"}


def test_wrong_fields_are_told_together() -> None:
    with pytest.raises(BadInput) as caught:
        tool(name="x.y", risk="SEVERE", undo="maybe", permission={"x"})(lambda: None)  # type: ignore[call-overload]
    assert caught.value.problems == (
        'tool x.y: risk: expected "LOW", "MEDIUM" or "HIGH", found "SEVERE"',
        'tool x.y: undo: expected "exact", "equivalent" or "none", found "maybe"',
        "tool x.y: permission: expected a field of a contract (did you mean permissions?), found permission",
    )


def test_the_digest_does_not_hang_on_the_order_of_a_set() -> None:
    def f() -> None: ...

    digests = {
        tool(permissions=set(order))(f).contract.digest for order in (["a", "b", "c"], ["c", "b", "a"])
    }
    assert len(digests) == 1


def full() -> Tool:
    """A tool with every handler, sync and async mixed."""

    @tool(undo="exact", permissions={"p"})
    def act(a: int, b: list[int] | None = None) -> dict[str, int]:
        return {"a": a, "b": len(b or ())}

    @act.preview
    async def preview(a: int, b: list[int] | None = None) -> Preview:
        return Preview(
            changes=[Change("x", None, {"at": datetime.date(2025, 1, 2)})], result=(a,), notes=["n"]
        )

    @act.mock
    def mock(a: int, b: list[int] | None = None, ctx: CallContext | None = None) -> dict[str, int]:
        assert ctx is CTX
        return {"a": -a, "b": 0}

    @act.undo
    def undo(call: Call, result: Any) -> Restored:
        if result["a"] == 0:
            raise ChangedSince("somebody else was here")
        return Restored(verified=True)

    @act.probe
    async def probe(call: Call) -> bool | None:
        return call.args["a"] == 1

    assert preview.__name__ == "preview"
    assert asyncio.iscoroutinefunction(probe)
    return act


def test_every_handler_runs() -> None:
    act: ToolRuntime = full()
    assert act.handlers == {"live", "preview", "mock", "undo", "probe"}
    assert run(act.live({"a": 2, "b": [1]}, CTX)) == {"a": 2, "b": 1}
    assert run(act.preview({"a": 2}, CTX)) == Preview(
        changes=[{"resource": "x", "after": {"at": "2025-01-02"}}], result=[2], notes=["n"]
    )
    assert run(act.mock({"a": 2}, CTX)) == {"a": -2, "b": 0}
    assert run(act.undo(CALL, {"a": 2})) == Restored(verified=True)
    assert run(act.probe(CALL)) is True
    with pytest.raises(ChangedSince):
        run(act.undo(CALL, {"a": 0}))


def test_without_handlers_there_are_honest_answers() -> None:
    @tool(effect="read", risk="LOW")
    async def look(a: int) -> int:
        return a + 1

    @tool(permissions={"p"})
    async def write(a: int) -> int:
        return a + 1

    assert run(look.preview({"a": 1}, CTX)) == Preview(result=2)
    assert run(write.preview({"a": 1}, CTX)).available is False
    assert run(write.probe(CALL)) is None
    with pytest.raises(IllegalMove):
        run(write.undo(CALL, 2))
    assert isinstance(run(write.mock({"a": 1}, CTX)), int)


def test_a_handler_registers_once_and_with_the_right_parameters() -> None:
    act = full()
    with pytest.raises(BadInput, match="act has a mock handler already"):
        act.mock(lambda a, b: None)

    @tool
    def other(a: int) -> None: ...

    with pytest.raises(BadInput, match=r"the handler is given the arguments a by name: "):

        @other.preview
        def _(b: int) -> Preview: ...

    with pytest.raises(BadInput, match=r"the handler is given a call and its result: "):

        @other.undo
        def _(call: Call) -> None: ...

    with pytest.raises(BadInput, match=r"the handler is given a call: "):

        @other.probe
        def _(call: Call, result: Any) -> None: ...

    assert other.handlers == {"live"}


def test_the_context_is_handed_in() -> None:
    @tool
    def where(ctx: CallContext) -> list[Any]:
        return [ctx.mode.value, ctx.attempt, ctx.idempotency_key]

    @tool
    async def anything(ctx, **more: int) -> Any:  # type: ignore[no-untyped-def]
        return [ctx is CTX, more]

    assert run(where.live({}, CTX)) == ["LIVE", 2, "k"]
    assert run(anything.live({"b": 1}, CTX)) == [True, {"b": 1}]
    assert where.check({"ctx": 1}) != ""


class Contact(Struct):
    email: str
    since: datetime.date | None = None


@tool
def add(contact: Contact, at: datetime.datetime, tags: list[str]) -> Contact:
    """Add a contact."""
    assert isinstance(contact, Contact)
    assert isinstance(at, datetime.datetime)
    tags.append("seen")
    return Contact(contact.email, at.date())


def test_values_come_as_the_annotated_types_and_go_as_json() -> None:
    args = {"contact": {"email": "a@b.c"}, "at": "2025-01-02T03:04:05Z", "tags": ["x"]}
    assert add.check(args) == ""
    assert run(add.live(args, CTX)) == {"email": "a@b.c", "since": "2025-01-02"}
    assert add.check_result({"email": "a@b.c", "since": "2025-01-02"}) == ""
    assert args == {"contact": {"email": "a@b.c"}, "at": "2025-01-02T03:04:05Z", "tags": ["x"]}


def test_values_that_do_not_convert_are_wrong_arguments() -> None:
    args = {"contact": {"email": "a@b.c"}, "at": "soon", "tags": []}
    assert add.check(args) == "/at: Invalid RFC3339 encoded datetime"
    assert add.check({**args, "at": UNKNOWN}) == ""
    with pytest.raises(InvalidArguments, match=r"^/at: Invalid RFC3339 encoded datetime$"):
        run(add.live(args, CTX))


@pytest.mark.parametrize("value", [threading.Lock(), "\ud800", {(1, 2): 3}, float, [b"x", {1j}]])
def test_a_result_that_json_has_no_form_for_is_told_but_is_no_failure(value: Any) -> None:
    @tool
    async def odd() -> Any:
        return value

    result = run(odd.live({}, CTX))
    assert type(result) is NotJson
    assert odd.check_result(result).startswith("expected a result that JSON has a form for, found ")


def test_a_result_that_goes_in_circles_is_told_too() -> None:
    @tool
    async def circle() -> Any:
        ring: list[Any] = []
        ring.append(ring)
        return ring

    assert type(run(circle.live({}, CTX))) is NotJson


def test_results_are_what_the_journal_will_hold() -> None:
    @tool
    async def odd() -> Any:
        return {"t": (1, 2), 3: float("nan"), "d": datetime.date(2025, 1, 2), "big": 2**70}

    assert run(odd.live({}, CTX)) == {"t": [1, 2], "3": None, "d": "2025-01-02", "big": 2**70}


def test_other_handlers_that_answer_nonsense_fail() -> None:
    @tool(undo="exact")
    async def act() -> None: ...

    @act.preview
    async def _() -> Any:
        return {"changes": []}

    @act.mock
    async def _() -> Any:
        return object()

    @act.undo
    async def _(call: Call, result: Any) -> Any:
        return True

    @act.probe
    async def _(call: Call) -> Any:
        return "yes"

    with pytest.raises(ToolError, match="the preview handler of act returned dict, expected Preview"):
        run(act.preview({}, CTX))
    with pytest.raises(ToolError, match="the mock result of act has no form in JSON"):
        run(act.mock({}, CTX))
    with pytest.raises(BuddyError, match="the undo handler of act returned bool, expected Restored or None"):
        run(act.undo(CALL, None))
    with pytest.raises(
        BuddyError, match="the probe handler of act returned str, expected True, False or None"
    ):
        run(act.probe(CALL))


def test_what_an_undo_or_a_probe_does_to_what_it_is_given_stays_with_it() -> None:
    @tool(undo="exact")
    async def act(fields: dict[str, int]) -> None: ...

    @act.undo
    def _(call: Call, result: Any) -> None:
        call.args["fields"].update(result)
        result.clear()

    @act.probe
    def _(call: Call) -> bool:
        call.args["fields"].clear()
        return call.args.pop("fields") == {}

    call = Call(
        tool="act", args={"fields": {"a": 1}}, agent="a", run_id="r", step_id="s", idempotency_key="k"
    )
    result = {"a": 2}
    run(act.undo(call, result))
    assert result == {"a": 2}
    assert run(act.probe(call))
    assert call.args == {"fields": {"a": 1}}


def test_an_undo_that_returns_nothing_restored_without_reading_back() -> None:
    @tool(undo="exact")
    async def act() -> None: ...

    @act.undo
    async def _(call: Call, result: Any) -> None: ...

    assert run(act.undo(CALL, None)) == Restored(verified=False, exact=True)


def test_a_preview_that_json_has_no_form_for_fails() -> None:
    @tool
    def act() -> None: ...

    @act.preview
    def _() -> Preview:
        return Preview(changes=[object()])

    with pytest.raises(ToolError, match="the preview of act has no form in JSON"):
        run(act.preview({}, CTX))


def test_a_rehearsal_with_unknown_arguments_makes_a_result_up() -> None:
    act = full()
    value = run(act.mock({"a": UNKNOWN}, CTX))
    assert act.check_result(value) == ""
    assert value != {"a": -1, "b": 0}


def test_errors_pass_through_and_exits_do_not() -> None:
    @tool
    def fails(kind: str) -> None:
        raise {"tool": ToolError("busy", retry_after=3), "value": ValueError("bad"), "exit": SystemExit(3)}[
            kind
        ]

    async def also(kind: str) -> None:
        fails(kind)

    for act in (fails, tool(also), fails.bound(inline=True)):
        with pytest.raises(ToolError, match="busy"):
            run(act.live({"kind": "tool"}, CTX))
        with pytest.raises(ValueError, match="bad"):
            run(act.live({"kind": "value"}, CTX))
        with pytest.raises(RuntimeError, match=r"exit|SystemExit"):
            run(act.live({"kind": "exit"}, CTX))


def test_sync_handlers_leave_the_loop_unless_they_run_inline() -> None:
    @tool
    def thread() -> str:
        return threading.current_thread().name

    @tool
    async def loop() -> str:
        return threading.current_thread().name

    assert (thread.sync, loop.sync, thread.bound(inline=True).sync) == (True, False, False)
    assert run(thread.live({}, CTX)) == "buddy-tool"
    assert run(loop.live({}, CTX)) == run(thread.bound(inline=True).live({}, CTX)) == "MainThread"


def test_a_tool_whose_undo_blocks_runs_in_threads_too() -> None:
    @tool(undo="exact")
    async def act() -> None: ...

    @act.preview
    def _() -> Preview:
        return Preview()

    before = act.bound()
    assert (act.sync, before.sync) == (False, False)

    @act.undo
    def _(call: Call, result: Any) -> None: ...

    assert (act.sync, act.bound().sync, act.bound(inline=True).sync) == (True, True, False)


def test_a_sync_wrapper_around_an_async_function_is_awaited() -> None:
    async def inner(a: int) -> int:
        return a

    def outer(a: int) -> Coroutine[Any, Any, int]:
        return inner(a)

    outer.__annotations__["return"] = int
    assert run(tool(outer).live({"a": 3}, CTX)) == 3


def test_binding_leaves_the_original_alone_and_shares_its_handlers() -> None:
    @tool(permissions={"p"})
    def act(a: int) -> int:
        return a

    safer = ToolContract(name="act", risk=Risk.HIGH, permissions=("q",), output=act.contract.output)
    twin = act.bound(safer, seed=5)
    assert (twin.contract.permissions, act.contract.permissions) == (("q",), ("p",))
    act.mock(lambda a: 7)
    assert run(twin.mock({"a": 1}, CTX)) == 7
    assert repr(twin) == "<tool act (live, mock)>"


@pytest.mark.parametrize("what", ["live", "undo", "preview"])
def test_a_thread_is_known_to_act_for_its_call_until_it_ends_whoever_waits(what: str) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def waits() -> None:
        begun.set()
        go_on.wait(10)

    @tool(permissions=["p"])
    def act(a: int) -> None:
        waits()

    @act.preview
    def _(a: int) -> Preview:
        waits()
        return Preview()

    @act.undo
    def _(call: Call, result: Any) -> None:
        waits()

    async def main() -> None:
        work = act.undo(CALL, None) if what == "undo" else getattr(act, what)({"a": 1}, CTX)
        task = asyncio.ensure_future(work)
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()

    asyncio.run(main())
    # Who only looks does not act, however long it takes.
    assert (act.acts("k"), act.acts("another")) == (what != "preview", False)
    go_on.set()
    for _ in range(1_000):
        if not act.acts("k"):
            break
        threading.Event().wait(0.01)
    assert not act.acts("k")


def test_no_thread_acts_where_none_could_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(function: object) -> None:
        raise RuntimeError("can't start new thread")

    @tool(permissions=["p"])
    def act(a: int) -> None: ...

    monkeypatch.setattr("buddy.adapters.tools.threads.run", fails)
    with pytest.raises(RuntimeError, match="thread"):
        run(act.live({"a": 1}, CTX))
    assert not act.acts("k")
