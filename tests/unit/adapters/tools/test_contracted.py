import asyncio
import time
from typing import Any

import pytest

from buddy.adapters.tools.contracted import ContractTool, NotJson
from buddy.core import schemas
from buddy.core.references import UNKNOWN
from buddy.errors import IllegalMove
from buddy.model.contract import ToolContract
from buddy.model.mode import Mode
from buddy.model.outcome import Call
from buddy.ports import CallContext, ToolRuntime

INPUT = {
    "type": "object",
    "properties": {"email": {"type": "string"}, "age": {"type": "integer"}, "token": {"type": "string"}},
    "required": ["email"],
    "additionalProperties": False,
}
OUTPUT = {"type": "object", "properties": {"id": {"type": "integer", "maximum": 10**9}}, "required": ["id"]}


def context(step: str = "s", **fields: Any) -> CallContext:
    given = {
        "mode": Mode.MOCK,
        "run_id": "r",
        "agent": "a",
        "attempt": 1,
        "deadline": 0.0,
        "idempotency_key": "k",
    }
    return CallContext(**{**given, "step_id": step, **fields})


def made(seed: int = 0, **fields: Any) -> ContractTool:
    return ContractTool(ToolContract(name="crm.find", **fields), seed)


def mock(tool: ContractTool, args: dict[str, Any], ctx: CallContext) -> Any:
    return asyncio.run(tool.mock(args, ctx))


def test_it_is_a_tool_without_handlers() -> None:
    runtime: ToolRuntime = made()
    call = Call(tool="crm.find", args={}, agent="a", run_id="r", step_id="s", idempotency_key="k")
    assert runtime.handlers == frozenset()
    assert asyncio.run(runtime.preview({}, context())).available is False
    assert asyncio.run(runtime.probe(call)) is None
    with pytest.raises(IllegalMove):
        asyncio.run(runtime.live({}, context()))
    with pytest.raises(IllegalMove):
        asyncio.run(runtime.undo(call, None))


def test_a_mock_is_the_example_before_the_schema_before_nothing() -> None:
    assert mock(made(example=None, output=OUTPUT), {}, context()) is None
    assert mock(made(example={"id": 1}, output=OUTPUT), {}, context()) == {"id": 1}
    assert schemas.checker(OUTPUT)(mock(made(output=OUTPUT), {}, context())) == ""
    assert mock(made(), {}, context()) is None


def test_a_made_up_result_hangs_on_seed_step_and_arguments_alone() -> None:
    tool = made(output=OUTPUT)
    first = mock(tool, {"email": "a", "age": 1}, context())
    assert (
        mock(tool, {"age": 1, "email": "a"}, context(run_id="other", attempt=2, idempotency_key="x")) == first
    )
    others = [
        mock(made(seed=1, output=OUTPUT), {"email": "a", "age": 1}, context()),
        mock(tool, {"email": "b", "age": 1}, context()),
        mock(tool, {"email": "a", "age": 1}, context("t")),
        mock(tool, {"email": "a", "age": UNKNOWN}, context()),
    ]
    assert first not in others


def test_arguments_are_held_to_the_schema() -> None:
    tool = made(input=INPUT)
    assert tool.check({"email": "a"}) == ""
    assert tool.check({"email": 1}) == "/email: expected string, found 1"
    assert tool.check({"mail": "a", "email": "b"}) == "/mail: expected one of email, age, token, found mail"
    assert made().check({"anything": [1]}) == ""


def test_a_secret_is_given_as_a_reference_and_never_shown() -> None:
    tool = made(input=INPUT, secret_args=("token",))
    assert tool.check({"email": "a", "token": {"$secret": "env:TOKEN"}}) == ""
    assert tool.check({"email": "a"}) == ""
    for literal in ("hunter2", {"$secret": "hunter2", "more": 1}, {"$secret": 3}, ["hunter2"], None):
        told = tool.check({"email": 1, "token": literal})
        assert told == '/token: expected a secret as {"$secret": "env:NAME"}, found something else'
    told = made(input={**INPUT, "minProperties": 9}, secret_args=("token",)).check(
        {"email": "a", "token": {"$secret": "env:TOKEN"}}
    )
    assert "expected at least 9 entries" in told


def test_what_a_rehearsal_cannot_know_fits_everywhere() -> None:
    tool = made(input=INPUT)
    assert tool.check({"email": UNKNOWN, "age": 3}) == ""
    assert tool.check({"email": [UNKNOWN]}) == ""
    assert tool.check({"email": UNKNOWN, "age": "x"}) == '/age: expected integer, found "x"'
    assert tool.check({"age": UNKNOWN}) == "/email: expected a value, found none"
    assert tool.check({"email": "a", "mail": UNKNOWN}).startswith("/mail: expected one of email")
    combined = made(input={"allOf": [INPUT]})
    assert combined.check({"email": UNKNOWN}) == ""
    assert combined.check({"email": 1}) != ""


def test_results_are_held_to_the_schema() -> None:
    tool = made(output=OUTPUT)
    assert tool.check_result({"id": 1}) == ""
    assert tool.check_result({"id": "1"}) == '/id: expected integer, found "1"'
    assert made().check_result([None]) == ""
    told = made().check_result(NotJson("socket: no encoding"))
    assert told == "expected a result that JSON has a form for, found socket: no encoding"


def test_checking_is_cheap() -> None:
    tool, args = (
        made(input=INPUT, secret_args=("token",)),
        {"email": "a", "age": 3, "token": {"$secret": "env:T"}},
    )
    tool.check(args)
    best = min(_lap(tool, args) for _ in range(20))
    assert best < 5e-6


def _lap(tool: ContractTool, args: dict[str, Any]) -> float:
    begun = time.perf_counter()
    for _ in range(200):
        tool.check(args)
    return (time.perf_counter() - begun) / 200
