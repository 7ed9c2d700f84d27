"""The Python interface: calls one at a time, over restarts, and whole plans."""

import asyncio
import gc
import json
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from buddy import BadInput, ExecutionConfig, Harness, Mode, Preview, Restored, Risk, ToolError, tool, wiring
from buddy.engine.plans import PlanState
from buddy.journal.events import Intent
from buddy.model.outcome import CallResult, StepStatus
from buddy.projections.story import Story, story
from e2e import some_runs as runs
from e2e import some_tools

PUT = {"key": "k", "value": 1}
MAIL = {"to": "bob", "text": "hi"}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.settle_in(tmp_path, monkeypatch.setenv)


def harness(folder: Path, tools: Any = None, **fields: Any) -> Harness:
    return Harness(runs.live(folder / "out", **fields), tools=tools or some_tools.TOOLS, granted_by="ada")


async def mail(desk: Harness, call_id: str | None = "c1", args: Any = None) -> CallResult:
    return await desk.call("agent", "send", args or MAIL, confidence=0.95, call_id=call_id)


def approve_all(approve: bool = True) -> None:
    for one in runs.asked(runs.ApprovalState.PENDING):
        runs.decide(one.request.approval_id, approve)


@pytest.mark.parametrize("confidence", [0.95, 1])
def test_a_call_acts_and_says_so(confidence: float, tmp_path: Path) -> None:
    async def main() -> CallResult:
        async with harness(tmp_path) as desk:
            return await desk.call("agent", "put", PUT, confidence=confidence)

    done = asyncio.run(main())
    assert (done.status, done.final_mode, done.rule) == (StepStatus.SUCCEEDED, Mode.LIVE, "")
    assert done.result == PUT
    assert done.preview is not None
    assert some_tools.noted("put") == [["k", "1"]]
    told = story(wiring.records(str(tmp_path / "out")), None, done.call_id)
    assert isinstance(told, Story)
    assert any(
        "was to call 'put' (MEDIUM risk, write, undo exact)" in sentence for sentence in told.sentences
    )
    assert runs.wrong(tmp_path / "out") == []


def test_a_held_call_goes_on_with_the_same_id_and_is_made_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with harness(tmp_path) as desk:
            held = await mail(desk)
            assert (held.status, held.final_mode, held.rule) == (StepStatus.HELD, Mode.DRY_RUN, "approval")
            assert held.approval_id == runs.asked()[0].request.approval_id
            assert (await mail(desk)).approval_id == held.approval_id
            assert (await desk.call("agent", "put", PUT, confidence=0.95)).status is StepStatus.SUCCEEDED
            approve_all()
            done = await mail(desk)
            assert (done.status, done.final_mode) == (StepStatus.SUCCEEDED, Mode.LIVE)
            assert await mail(desk) == done

    asyncio.run(main())
    assert some_tools.noted("sent") == [["bob", "hi"]]
    assert len(runs.asked()) == 1
    assert runs.wrong(tmp_path / "out") == []


def test_a_held_call_goes_on_after_a_restart(tmp_path: Path) -> None:
    async def once() -> CallResult:
        async with harness(tmp_path) as desk:
            return await mail(desk)

    held = asyncio.run(once())
    assert held.status is StepStatus.HELD
    assert asyncio.run(once()).approval_id == held.approval_id
    approve_all()
    done = asyncio.run(once())
    again = asyncio.run(once())
    assert done.status is again.status is StepStatus.SUCCEEDED
    assert done.result == again.result == {"to": "bob"}
    assert again.final_mode is Mode.LIVE
    assert some_tools.noted("sent") == [["bob", "hi"]]
    assert runs.wrong(tmp_path / "out") == []


def test_a_call_by_another_name_than_a_name_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        desk = harness(tmp_path)
        with pytest.raises(BadInput) as caught:
            await desk.call("", "put", PUT, confidence="sure", call_id="a\0b")  # type: ignore[arg-type]
        assert [told.split(":")[0] for told in caught.value.problems] == ["agent", "call_id", "confidence"]
        await desk.close()

    asyncio.run(main())
    assert some_tools.noted("put") == []


class Name(str):
    """As those of numpy and of some enums are."""


def test_names_and_confidences_of_other_classes_are_told_as_plain_ones(tmp_path: Path) -> None:
    async def main() -> StepStatus:
        async with harness(tmp_path) as desk:
            call = desk.call(Name("agent"), Name("put"), PUT, confidence=Decimal("0.95"), call_id=Name("c"))  # type: ignore[arg-type]
            return (await call).status

    assert asyncio.run(main()) is StepStatus.SUCCEEDED
    [intent] = runs.records(tmp_path / "out", Intent)
    assert (intent.event.agent, intent.event.tool, intent.event.confidence) == ("agent", "put", 0.95)
    assert runs.wrong(tmp_path / "out") == []


@pytest.mark.parametrize("restart", [False, True])
def test_an_id_names_one_call(tmp_path: Path, restart: bool) -> None:
    async def main() -> None:
        desk = harness(tmp_path)
        await desk.call("agent", "put", PUT, confidence=0.95, call_id="c")
        if restart:
            await desk.close()
            desk = harness(tmp_path)
        for agent, name, args in (
            ("agent", "put", {**PUT, "value": 2}),
            ("agent", "put", {**PUT, "value": True}),
            ("b", "put", PUT),
            ("agent", "send", MAIL),
        ):
            with pytest.raises(BadInput, match="expected the tool, agent and arguments that it began with"):
                await desk.call(agent, name, args, confidence=0.95, call_id="c")
        await desk.close()

    asyncio.run(main())
    assert some_tools.noted("put") == [["k", "1"]]
    assert some_tools.noted("sent") == []


def test_a_call_made_by_many_at_once_is_made_once(tmp_path: Path) -> None:
    async def main() -> list[CallResult]:
        async with harness(tmp_path) as desk:
            same = (desk.call("agent", "put", PUT, confidence=0.95, call_id="c") for _ in range(20))
            return await asyncio.gather(*same)

    assert len({done.status for done in asyncio.run(main())}) == 1
    assert some_tools.noted("put") == [["k", "1"]]


def test_of_a_call_that_is_over_only_its_answer_is_kept(tmp_path: Path) -> None:
    async def main() -> int:
        async with Harness(runs.live(tmp_path / "out"), [some_tools.put]) as desk:
            for key in range(20):
                await desk.call("a", "put", {"key": str(key), "value": 1}, confidence=0.9, call_id=str(key))
            gc.collect()
            kept = sum(isinstance(one, PlanState) for one in gc.get_objects())
            again = await desk.call("a", "put", {"key": "3", "value": 1}, confidence=0.9, call_id="3")
            assert again.result == {"key": "3", "value": 1}
            return kept

    before = sum(isinstance(one, PlanState) for one in gc.get_objects())
    assert asyncio.run(main()) - before <= 1
    assert len(some_tools.noted("put")) == 20


def test_calls_of_many_agents_go_side_by_side(tmp_path: Path) -> None:
    async def main() -> list[CallResult]:
        async with harness(tmp_path) as desk:
            calls = (
                desk.call(f"a{n % 10}", "put", {"key": f"k{n}", "value": n}, confidence=0.95)
                for n in range(200)
            )
            return await asyncio.gather(*calls)

    assert {done.status for done in asyncio.run(main())} == {StepStatus.SUCCEEDED}
    assert len(some_tools.noted("put")) == 200
    assert runs.wrong(tmp_path / "out") == []


def test_the_same_action_under_another_id_is_a_duplicate(tmp_path: Path) -> None:
    async def main() -> tuple[CallResult, CallResult]:
        async with harness(tmp_path) as desk:
            await desk.call("agent", "put", PUT, confidence=0.95)
            stopped = await desk.call("agent", "put", PUT, confidence=0.95)
            return stopped, await desk.call("agent", "put", PUT, confidence=0.95, repeat=True)

    stopped, meant = asyncio.run(main())
    assert (stopped.final_mode, stopped.rule) == (Mode.DRY_RUN, "conflict")
    assert meant.final_mode is Mode.LIVE
    assert len(some_tools.noted("put")) == 2
    assert runs.wrong(tmp_path / "out") == []


def test_a_call_waits_for_a_person_where_it_should(tmp_path: Path) -> None:
    async def main() -> CallResult:
        async with harness(tmp_path, approvals="wait") as desk:
            asked = asyncio.ensure_future(mail(desk))
            other = await desk.call("agent", "put", PUT, confidence=0.95)
            assert other.status is StepStatus.SUCCEEDED
            for _ in range(1000):
                await asyncio.sleep(0.01)
                if runs.asked():
                    break
            assert not asked.done()
            approve_all()
            return await asked

    assert asyncio.run(main()).status is StepStatus.SUCCEEDED
    assert some_tools.noted("sent") == [["bob", "hi"]]


def test_a_lock_holds_a_call_until_it_is_gone(tmp_path: Path) -> None:
    async def main() -> None:
        async with harness(tmp_path) as desk:
            with closing(wiring.home()) as home:
                home.set_lock(True, "eve", "fire", 1.0)
                await asyncio.sleep(0.05)
                held = await desk.call("agent", "put", PUT, confidence=0.95, call_id="c")
                assert (held.status, held.final_mode, held.rule) == (StepStatus.HELD, Mode.MOCK, "lock")
                home.set_lock(False, "eve", "out", 2.0)
            await asyncio.sleep(0.05)
            done = await desk.call("agent", "put", PUT, confidence=0.95, call_id="c")
            assert done.status is StepStatus.SUCCEEDED

    asyncio.run(main())
    assert some_tools.noted("put") == [["k", "1"]]


def test_a_denied_call_is_over(tmp_path: Path) -> None:
    async def main() -> CallResult:
        async with harness(tmp_path) as desk:
            await mail(desk)
            approve_all(False)
            assert (await mail(desk)).status is StepStatus.ABORTED
            return await mail(desk)

    assert asyncio.run(main()).status is StepStatus.ABORTED
    assert some_tools.noted("sent") == []


@pytest.mark.parametrize("restart", [False, True])
def test_a_call_in_doubt_is_never_made_again(tmp_path: Path, restart: bool) -> None:
    tried: list[int] = []

    @tool(risk=Risk.MEDIUM, effect="write", undo="exact", permissions=["x"], resources=["r"])
    async def doubtful() -> None:
        """Break in the middle."""
        tried.append(1)
        raise RuntimeError("the line went dead")

    @doubtful.preview
    async def _() -> Preview:
        return Preview()

    @doubtful.undo
    async def _(call: Any, result: Any) -> Restored:
        return Restored()

    async def main() -> None:
        desk = harness(tmp_path, [doubtful])
        for _ in range(3):
            found = await desk.call("agent", "doubtful", confidence=0.95, call_id="c")
            assert found.status is StepStatus.UNKNOWN
            if restart:
                await desk.close()
                desk = harness(tmp_path, [doubtful])
        await desk.close()

    asyncio.run(main())
    assert tried == [1]
    assert runs.wrong(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("args", "confidence", "told"),
    [
        ({"key": object()}, 0.9, "expected arguments made of JSON"),
        (PUT, 1.5, "expected a number from 0 to 1"),
    ],
)
def test_what_is_no_call_is_refused(tmp_path: Path, args: Any, confidence: float, told: str) -> None:
    async def main() -> None:
        async with harness(tmp_path) as desk:
            with pytest.raises(BadInput, match=told):
                await desk.call("agent", "put", args, confidence=confidence)

    asyncio.run(main())


def test_wrong_arguments_fail_in_mock(tmp_path: Path) -> None:
    async def main() -> CallResult:
        async with harness(tmp_path) as desk:
            return await desk.call("agent", "put", {"key": "k"}, confidence=0.95)

    done = asyncio.run(main())
    assert (done.status, done.final_mode) == (StepStatus.FAILED, None)
    assert "value" in done.reason


def three_failures() -> tuple[Any, dict[str, Any]]:
    @tool(risk=Risk.MEDIUM, effect="write", undo="exact", permissions=["x"], resources=["r:{n}"])
    async def broken(n: int) -> None:
        """Refuse."""
        raise ToolError("no")

    @broken.preview
    async def _(n: int) -> Preview:
        return Preview()

    @broken.undo
    async def _(call: Any, result: Any) -> Restored:
        return Restored()

    steps = {f"s{n}": {"tool": "broken", "args": {"n": n}, "group": f"g{n}"} for n in range(4)}
    return broken, runs.plan(steps, on_failure="continue")


@pytest.mark.parametrize("sync", [False, True])
def test_a_run_tells_its_health_anomalies_and_signals(tmp_path: Path, sync: bool) -> None:
    broken, document = three_failures()
    desk = harness(tmp_path, [broken])
    done = desk.run_sync(document) if sync else asyncio.run(desk.run(document))
    assert done.exit_code == 1 or done.exit_code == 3
    assert done.summary["steps"]["by_status"]["FAILED"] >= 3
    assert done.health()["health_score"] < 70
    assert "repeated_failures" in {anomaly["type"] for anomaly in done.anomalies()}
    assert {signal["signal_type"] for signal in done.signals()} >= {"TOOL_RELIABILITY"}
    assert all(signal["tool_name"] in ("broken", None) for signal in done.signals())
    assert runs.wrong(tmp_path / "out") == []


def test_a_run_that_goes_well_is_healthy(tmp_path: Path) -> None:
    steps = {f"s{n}": {"tool": "put", "args": {"key": f"k{n}", "value": n}} for n in range(5)}
    done = harness(tmp_path).run_sync([runs.plan(steps), {**runs.plan({}), "plan_id": "empty"}])
    assert (done.exit_code, done.anomalies()) == (0, [])
    assert done.health()["status"] == "EXCELLENT"
    assert done.folder == tmp_path / "out"
    assert done.summary["plans_processed"] == 2


def test_defaults_touch_nothing(tmp_path: Path) -> None:
    desk = Harness(ExecutionConfig(output_dir=str(tmp_path / "out")), tools=some_tools.TOOLS)
    done = desk.run_sync(runs.plan({"s": {"tool": "put", "args": PUT}}))
    assert done.exit_code == 0
    assert done.summary["steps"]["by_final_mode"]["MOCK"] == 1
    assert some_tools.noted("put") == []


def test_a_folder_that_holds_a_run_is_refused(tmp_path: Path) -> None:
    desk = harness(tmp_path)
    desk.run_sync(runs.plan({"s": {"tool": "put", "args": PUT}}))
    with pytest.raises(BadInput):
        desk.run_sync(runs.plan({"s": {"tool": "put", "args": PUT}}))
    with pytest.raises(BadInput, match="holds a run of plans"):
        asyncio.run(mail(desk))
    assert len(some_tools.noted("put")) == 1


def test_a_permission_granted_later_lets_a_held_step_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DRY_RUN", raising=False)
    (tmp_path / "tools.py").write_text(
        "from buddy import Preview, Risk, Restored, tool\n"
        "@tool(risk=Risk.MEDIUM, effect='write', undo='exact', permissions={'crm.write'},\n"
        "      resources=['c:{c}'])\n"
        "async def put(c: str) -> dict: return {'c': c}\n"
        "@put.preview\n"
        "async def _(c: str): return Preview(changes=[{'resource': c}])\n"
        "@put.undo\n"
        "async def _(call, result): return Restored()\n"
    )
    plan = {
        "plan_id": "p",
        "agent_assignments": {"ann": ["x"]},
        "confidence_scores": {"x": 0.9},
        "steps": {"x": {"tool": "put", "args": {"c": "1"}}},
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    for name, permissions in (("none", "[]"), ("some", '["crm.write"]')):
        (tmp_path / f"{name}.toml").write_text(f"[agents.ann]\npermissions = {permissions}\n")
    flags = {"mode": "live", "output_dir": str(tmp_path / "out")}
    config, _ = wiring.settings(tmp_path / "none.toml", flags)
    tools = [str(tmp_path / "tools.py")]
    held = wiring.run([str(tmp_path / "plan.json")], tools, config, granted_by="test")
    assert (held.exit_code, held.summary["steps"]["held_by_rule"]) == (3, {"permission": 1})
    assert wiring.resume(held.folder, tools, by="test").exit_code == 3
    done = wiring.resume(held.folder, tools, by="test", config_file=tmp_path / "some.toml")
    assert done.exit_code == 0
    assert wiring.verify(held.folder).violations == ()
