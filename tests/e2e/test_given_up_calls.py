"""Calls whose caller, or whose event loop, is gone before they end."""

import asyncio
import gc
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from buddy import BadInput, CallResult, Harness, Preview, Restored, ToolError, tool
from buddy.journal.events import Intent, Outcome, Settled
from buddy.model.approval import ApprovalState
from buddy.model.outcome import StepStatus
from e2e import some_runs as runs

made: list[str] = []


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.settle_in(tmp_path, monkeypatch.setenv)
    made.clear()


@tool(risk="LOW", undo="equivalent", resources=["x:1"])
async def pay(n: int) -> dict[str, int]:
    """Take long the first time."""
    made.append(f"pay {n}")
    await asyncio.sleep(10 if len(made) == 1 else 0)
    return {"n": n}


@tool(risk="LOW", undo="equivalent", idempotent=True, resources=["x:1"])
async def put(n: int) -> dict[str, int]:
    """Take long the first time."""
    made.append(f"put {n}")
    await asyncio.sleep(10 if len(made) == 1 else 0)
    return {"n": n}


@tool(risk="LOW", undo="equivalent", timeout_s=0.2, resources=["x:1"])
def slow(n: int) -> dict[str, int]:
    """Block for longer than it may."""
    made.append(f"in {n}")
    time.sleep(0.6 if n == 1 else 0)
    made.append(f"out {n}")
    return {"n": n}


@tool(risk="LOW", undo="equivalent", timeout_s=0.1, secret_args=["token"])
def tell(fails: bool, token: str) -> dict[str, str]:
    """Tell the secret, too late."""
    time.sleep(0.3)
    if fails:
        raise ToolError(f"bad token {token}")
    return {"echo": token}


@tool(risk="HIGH", undo="equivalent", permissions=["mail"])
async def mail(to: str) -> dict[str, str]:
    """Need a person."""
    made.append(f"mail {to}")
    return {"to": to}


for each in (pay, put, slow, tell, mail):

    @each.preview
    def _(**args: Any) -> Preview:
        return Preview()

    @each.undo
    def _(call: Any, result: Any) -> Restored:
        return Restored()


def harness(folder: Path, **fields: Any) -> Harness:
    return Harness(runs.live(folder / "out", **fields), [pay, put, slow, tell, mail], granted_by="ada")


async def call(desk: Harness, name: str, call_id: str | None = None, **args: Any) -> CallResult:
    return await desk.call("agent", name, args, confidence=0.99, call_id=call_id)


async def until(happened: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if happened():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it does not happen")


def stopped(desk: Harness, name: str, call_id: str, **args: Any) -> asyncio.AbstractEventLoop:
    """Have a call begun in a loop that stops without ending it."""
    loop = asyncio.new_event_loop()
    with pytest.raises(TimeoutError):
        loop.run_until_complete(asyncio.wait_for(call(desk, name, call_id, **args), 0.3))
    return loop


def go_round(loop: asyncio.AbstractEventLoop) -> None:
    """Let a loop that was stopped end what it had begun."""
    loop.run_until_complete(asyncio.sleep(0.01))
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()


def left(desk: Harness, name: str, call_id: str, **args: Any) -> None:
    """Have a call made in a loop that ends while it is under way."""
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(call(desk, name, call_id, **args), 0.3))


def test_a_call_that_was_left_by_its_loop_is_not_made_again(tmp_path: Path) -> None:
    desk = harness(tmp_path)
    left(desk, "pay", "c", n=1)
    # Its claim is given; nobody else has to wait, and verify does not take it for held.
    assert asyncio.run(call(desk, "pay", n=2)).status is StepStatus.SUCCEEDED
    again = asyncio.run(call(desk, "pay", "c", n=1))
    assert (again.status, made) == (StepStatus.UNKNOWN, ["pay 1", "pay 2"])
    assert "buddy resolve" in again.reason
    asyncio.run(desk.close())
    assert runs.wrong(tmp_path / "out") == []


def test_one_that_may_be_repeated_is_made_again_under_its_key(tmp_path: Path) -> None:
    desk = harness(tmp_path)
    left(desk, "put", "c", n=1)
    again = asyncio.run(call(desk, "put", "c", n=1))
    assert (again.status, made) == (StepStatus.SUCCEEDED, ["put 1", "put 1"])
    asyncio.run(desk.close())
    assert len({one.event.key for one in runs.records(tmp_path / "out", Intent)}) == 1
    assert runs.wrong(tmp_path / "out") == []


def test_one_that_had_not_acted_simply_goes_on(tmp_path: Path) -> None:
    desk = harness(tmp_path, approvals="wait")
    left(desk, "mail", "c", to="bob")
    (asked,) = runs.asked(ApprovalState.PENDING)
    runs.decide(asked.request.approval_id)
    assert asyncio.run(call(desk, "mail", "c", to="bob")).status is StepStatus.SUCCEEDED
    asyncio.run(desk.close())
    assert made == ["mail bob"]
    assert runs.wrong(tmp_path / "out") == []


@pytest.mark.parametrize("turns", range(1, 12))
def test_wherever_a_loop_ends_the_call_is_made_once_or_is_in_doubt(tmp_path: Path, turns: int) -> None:
    made.append("before")
    desk = harness(tmp_path)

    async def main() -> None:
        task = asyncio.ensure_future(call(desk, "pay", "c", n=1))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()

    asyncio.run(main())
    again = asyncio.run(call(desk, "pay", "c", n=1))
    asyncio.run(desk.close())
    intents, outcomes = (runs.records(tmp_path / "out", kind) for kind in (Intent, Outcome))
    assert len(intents) == 1
    assert len(made) <= 2
    assert again.status is (StepStatus.SUCCEEDED if outcomes else StepStatus.UNKNOWN)
    assert runs.wrong(tmp_path / "out") == []


@pytest.mark.parametrize("in_time", [True, False])
def test_a_thread_keeps_its_claim_when_its_loop_ends(tmp_path: Path, in_time: bool) -> None:
    desk = harness(tmp_path)

    async def first() -> None:
        task = asyncio.ensure_future(call(desk, "slow", n=1))
        await until(lambda: "in 1" in made)
        if not in_time:
            assert (await task).status is StepStatus.UNKNOWN

    asyncio.run(first())
    assert asyncio.run(call(desk, "slow", n=2)).status is StepStatus.SUCCEEDED
    assert made == ["in 1", "out 1", "in 2", "out 2"]
    asyncio.run(desk.close())


@pytest.mark.parametrize("fails", [False, True])
def test_no_secret_is_told_of_a_call_that_ended_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    monkeypatch.setenv("TOKEN", "hunter2-hunter2")

    async def main() -> None:
        async with harness(tmp_path) as desk:
            given = await call(desk, "tell", fails=fails, token={"$secret": "env:TOKEN"})
            assert given.status is StepStatus.UNKNOWN
            await asyncio.sleep(0.4)

    asyncio.run(main())
    (late,) = (one.event for one in runs.records(tmp_path / "out", Outcome) if one.event.late)
    assert "***" in (late.error.message if late.error else json.dumps(late.result))
    told = [file.name for file in (tmp_path / "out").iterdir() if b"hunter2" in file.read_bytes()]
    assert told == []


def test_a_call_that_waits_when_the_harness_is_closed_is_held(tmp_path: Path) -> None:
    async def main() -> CallResult:
        desk = harness(tmp_path, approvals="wait")
        task = asyncio.ensure_future(call(desk, "mail", "c", to="bob"))
        await until(lambda: bool(runs.asked(ApprovalState.PENDING)))
        await desk.close()
        return await task

    held = asyncio.run(main())
    assert (held.status, held.rule) == (StepStatus.HELD, "approval")
    (asked,) = runs.asked(ApprovalState.PENDING)
    assert held.approval_id == asked.request.approval_id
    (settled,) = (one.event for one in runs.records(tmp_path / "out", Settled))
    assert settled.status is StepStatus.HELD
    summary = json.loads((tmp_path / "out" / "orchestration_summary.json").read_text())
    assert summary["exit_code"] == 3
    runs.decide(asked.request.approval_id)

    async def go_on() -> CallResult:
        async with harness(tmp_path) as desk:
            return await call(desk, "mail", "c", to="bob")

    assert asyncio.run(go_on()).status is StepStatus.SUCCEEDED
    assert made == ["mail bob"]
    assert runs.wrong(tmp_path / "out") == []


def test_what_acts_when_the_harness_is_closed_comes_to_its_end(tmp_path: Path) -> None:
    made.extend(["before", "before"])

    async def main() -> CallResult:
        desk = harness(tmp_path)
        task = asyncio.ensure_future(call(desk, "slow", "c", n=2))
        await until(lambda: "in 2" in made)
        await desk.close()
        return await task

    assert asyncio.run(main()).status is StepStatus.SUCCEEDED
    assert runs.wrong(tmp_path / "out") == []


async def after_another_loop(desk: Harness) -> tuple[StepStatus, StepStatus]:
    again = await asyncio.wait_for(call(desk, "pay", "c", n=1), 5)
    # The same agent, which has one hand, and the same resource.
    done = await asyncio.wait_for(call(desk, "pay", n=2), 5)
    assert done.status is StepStatus.SUCCEEDED
    other = await asyncio.wait_for(call(desk, "mail", to="bob"), 5)
    await asyncio.wait_for(desk.close(), 5)
    return again.status, other.status


def test_a_loop_that_stopped_in_the_middle_keeps_nobody_waiting(tmp_path: Path) -> None:
    desk = harness(tmp_path)
    loop = stopped(desk, "pay", "c", n=1)
    assert asyncio.run(after_another_loop(desk)) == (StepStatus.UNKNOWN, StepStatus.HELD)
    assert made == ["pay 1", "pay 2"]
    assert runs.wrong(tmp_path / "out") == []
    go_round(loop)


CLOSED = """
import asyncio, sys
from pathlib import Path
from e2e.test_given_up_calls import after_another_loop, harness, made, stopped

desk = harness(Path(sys.argv[1]))
stopped(desk, "pay", "c", n=1).close()
given, other = asyncio.run(after_another_loop(desk))
assert (given.value, other.value, made) == ("UNKNOWN", "HELD", ["pay 1", "pay 2"]), (given, other, made)
"""


def test_nor_does_one_that_was_closed(tmp_path: Path) -> None:
    # In a process of its own: Python complains of what a closed loop cannot end any more.
    with runs.another(CLOSED, str(tmp_path)) as process:
        process.wait(20)


def test_one_that_waited_in_a_loop_that_stopped_goes_on(tmp_path: Path) -> None:
    desk = harness(tmp_path, approvals="wait")
    loop = stopped(desk, "mail", "c", to="bob")
    (asked,) = runs.asked(ApprovalState.PENDING)
    runs.decide(asked.request.approval_id)
    assert asyncio.run(call(desk, "mail", "c", to="bob")).status is StepStatus.SUCCEEDED
    asyncio.run(desk.close())
    assert made == ["mail bob"]
    assert runs.wrong(tmp_path / "out") == []
    go_round(loop)


@pytest.mark.parametrize("how", ["ended", "stopped"])
def test_a_close_that_its_loop_left_may_be_asked_for_again(tmp_path: Path, how: str) -> None:
    desk = harness(tmp_path)

    async def main() -> None:
        task = asyncio.ensure_future(call(desk, "slow", "c", n=1))
        await until(lambda: "in 1" in made)
        await asyncio.wait_for(desk.close(), 0.05)
        await task

    loop = asyncio.new_event_loop()
    with pytest.raises(TimeoutError):
        loop.run_until_complete(main())
    if how == "ended":
        go_round(loop)

    async def again() -> CallResult:
        await asyncio.wait_for(desk.close(), 5)
        return await call(desk, "slow", "c", n=1)

    assert asyncio.run(again()).status in (StepStatus.UNKNOWN, StepStatus.SUCCEEDED)
    asyncio.run(desk.close())
    assert made.count("in 1") == 1
    assert runs.wrong(tmp_path / "out") == []
    asyncio.run(until(lambda: "out 1" in made))
    if how == "stopped":
        go_round(loop)


@pytest.mark.parametrize("how", [left, stopped])
def test_a_call_that_nobody_asks_for_again_is_told_as_unknown(
    tmp_path: Path, how: Callable[..., Any]
) -> None:
    desk = harness(tmp_path)
    loop = how(desk, "pay", "c", n=1)
    asyncio.run(asyncio.wait_for(desk.close(), 5))
    if loop is not None:
        go_round(loop)
    summary = json.loads((tmp_path / "out" / "orchestration_summary.json").read_text())
    assert summary["exit_code"] == 4
    assert runs.wrong(tmp_path / "out") == []


def test_calls_under_way_in_a_loop_that_runs_are_not_touched(tmp_path: Path) -> None:
    desk, refused = harness(tmp_path), []

    async def main() -> CallResult:
        task = asyncio.ensure_future(call(desk, "slow", "c", n=1))
        await until(lambda: "in 1" in made)

        def elsewhere() -> None:
            with pytest.raises(BadInput, match="under way in another event loop") as told:
                asyncio.run(call(desk, "slow", n=2))
            refused.append(told)
            with pytest.raises(BadInput, match="under way in another event loop") as told:
                asyncio.run(desk.close())
            refused.append(told)

        await asyncio.to_thread(elsewhere)
        given = await task
        await desk.close()
        return given

    assert asyncio.run(main()).status is StepStatus.UNKNOWN
    assert len(refused) == 2


def test_the_same_call_again_waits_for_its_thread(tmp_path: Path) -> None:
    times: list[tuple[str, float]] = []

    @tool(risk="LOW", undo="equivalent", idempotent=True, resources=["x:1"])
    def hold() -> None:
        """Take long, twice."""
        times.append(("in", time.monotonic()))
        time.sleep(0.6)
        times.append(("out", time.monotonic()))

    @hold.preview
    def _() -> Preview:
        return Preview()

    @hold.undo
    def _(call: Any, result: Any) -> None: ...

    desk = Harness(runs.live(tmp_path / "out"), [hold], granted_by="ada")
    left(desk, "hold", "c")
    assert asyncio.run(call(desk, "hold", "c")).status is StepStatus.SUCCEEDED
    asyncio.run(desk.close())
    assert [what for what, _ in times] == ["in", "out", "in", "out"]
    assert runs.wrong(tmp_path / "out") == []


def test_who_gives_up_waiting_for_the_end_may_wait_again(tmp_path: Path) -> None:
    async def main() -> tuple[CallResult, list[str]]:
        desk, told = harness(tmp_path), []
        task = asyncio.ensure_future(call(desk, "slow", "c", n=1))
        await until(lambda: "in 1" in made)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(desk.close(), 0.05)
        with pytest.raises(BadInput, match="being closed"):
            await call(desk, "slow", n=2)
        await desk.close()
        await desk.close()
        told.append((await task).status.value)
        return await task, told

    given, told = asyncio.run(main())
    assert told == [given.status.value]
    summary = json.loads((tmp_path / "out" / "orchestration_summary.json").read_text())
    assert summary["exit_code"] in (0, 4)
    assert runs.wrong(tmp_path / "out") == []


def test_a_thread_that_ends_after_its_run_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("buddy.engine.run.LATE_GRACE_S", 0.0)

    async def main() -> None:
        async with harness(tmp_path) as desk:
            assert (await call(desk, "slow", n=1)).status is StepStatus.UNKNOWN
        await asyncio.sleep(0.6)

    asyncio.run(main())
    gc.collect()
    assert caplog.text == ""
