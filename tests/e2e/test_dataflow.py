"""Plans whose later steps take what earlier ones found, up the whole ladder."""

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buddy import (
    BadInput,
    Change,
    ExecutionConfig,
    Harness,
    Mode,
    Preview,
    Restored,
    Risk,
    ToolError,
    tool,
    wiring,
)
from buddy.journal.events import ApprovalRequested, ConflictFound, Intent
from e2e import some_runs as runs
from e2e import some_tools

ITEMS = 500


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.settle_in(tmp_path, monkeypatch.setenv)


def fan(name: str = "put", **fields: Any) -> dict[str, Any]:
    """Read a list, and do something with each of its items."""
    args: dict[str, Any] = {"key": {"$item": "/key"}, "value": {"$item": "/value"}}
    each = {"tool": name, "args": args, "for_each": {"$from": "read", "path": "/names"}}
    return {"read": {"tool": "names", "args": {"name": "staff"}}, "each": {**each, **fields}}


def mail_all(**fields: Any) -> dict[str, Any]:
    return fan("send", args={"to": {"$item": "/key"}, "text": "hi"}, **fields)


def staff(count: int, same: int = 0) -> None:
    entries = [{"key": f"k{number}", "value": number} for number in range(count)]
    some_tools.set_state("staff", entries + entries[:same])


@pytest.mark.parametrize("mode", list(Mode))
def test_a_fan_out_runs_in_every_mode(tmp_path: Path, mode: Mode) -> None:
    staff(ITEMS)
    path = tmp_path / "plan.json"
    last = {"tool": "put", "args": {"key": "last", "value": {"$from": "each", "path": "/499/value"}}}
    path.write_text(json.dumps(runs.plan({**fan(), "last": last})))
    config = ExecutionConfig(mode=mode, output_dir=str(tmp_path / "out"))
    done = wiring.run([str(path)], [runs.TOOLS], config, granted_by="ada")
    assert done.exit_code == 0, done.reason
    live = mode is Mode.LIVE
    wanted = Counter(f"k{number}" for number in range(ITEMS)) + Counter(["last"])
    assert Counter(key for key, _ in some_tools.noted("put")) == (wanted if live else Counter())
    assert not live or some_tools.noted("put")[-1] == ["last", "499"]
    assert runs.wrong(tmp_path / "out") == []


def conflicts(folder: Path) -> list[str]:
    found = [record.event for record in runs.records(folder, ConflictFound)]
    return [
        event.conflict.type.value
        for event in found
        if isinstance(event, ConflictFound) and event.at == "admission"
    ]


def test_two_items_with_equal_arguments_are_one_action(tmp_path: Path) -> None:
    staff(20, same=3)
    done = runs.run(tmp_path, runs.plan(fan()))
    assert Counter(key for key, _ in some_tools.noted("put")) == Counter(f"k{number}" for number in range(20))
    assert conflicts(tmp_path / "out") == ["DUPLICATE_ACTION"] * 3
    assert done.exit_code == 0
    assert runs.wrong(tmp_path / "out") == []


def test_equal_items_that_are_meant_are_all_done(tmp_path: Path) -> None:
    staff(3, same=2)
    assert runs.run(tmp_path, runs.plan(fan(repeat=True))).exit_code == 0
    assert len(some_tools.noted("put")) == 5
    assert conflicts(tmp_path / "out") == []


def test_a_reference_that_leads_to_an_action_already_taken_is_a_duplicate(tmp_path: Path) -> None:
    staff(1)
    referred = {"key": {"$from": "read", "path": "/names/0/key"}, "value": 0}
    steps = {
        "read": {"tool": "names", "args": {"name": "staff"}},
        "plain": {"tool": "put", "args": {"key": "k0", "value": 0}, "depends_on": ["read"]},
        "again": {"tool": "put", "args": referred, "depends_on": ["plain"]},
    }
    done = runs.run(tmp_path, runs.plan(steps))
    assert some_tools.noted("put") == [["k0", "0"]]
    assert conflicts(tmp_path / "out") == ["DUPLICATE_ACTION"]
    assert done.summary["steps"]["by_final_mode"]["DRY_RUN"] == 1
    again = runs.run(tmp_path, {**runs.plan(steps), "plan_id": "q"}, "later")
    assert some_tools.noted("put") == [["k0", "0"]]
    assert again.summary["steps"]["by_final_mode"]["LIVE"] == 1
    assert runs.wrong(tmp_path / "out") == runs.wrong(tmp_path / "later") == []


def test_claims_that_only_a_result_tells_are_held(tmp_path: Path) -> None:
    some_tools.set_state("staff", ["k0"])
    key = {"$from": "read", "path": "/names/0"}
    steps: dict[str, Any] = {"read": {"tool": "names", "args": {"name": "staff"}}}
    for number in range(12):
        args = {"key": key, "who": f"w{number}", "seconds": 0.002}
        steps[f"h{number}"] = {"tool": "hold", "args": args, "agent": f"a{number}"}
    assert runs.run(tmp_path, runs.plan(steps)).exit_code == 0
    times = [(words[1], words[2]) for words in some_tools.noted("held")]
    assert [what for _, what in times] == ["start", "end"] * 12
    assert all(one == other for (one, _), (other, _) in zip(times[::2], times[1::2], strict=True))


def test_a_reference_that_finds_nothing_fails_the_step_with_the_path(tmp_path: Path) -> None:
    some_tools.set_state("staff", [])
    args = {"key": {"$from": "read", "path": "/names/0"}, "value": 1}
    steps = {"read": {"tool": "names", "args": {"name": "staff"}}, "s": {"tool": "put", "args": args}}
    done = runs.run(tmp_path, runs.plan(steps))
    assert done.exit_code == 1
    assert done.summary["steps"]["by_status"]["FAILED"] == 1
    assert some_tools.noted("put") == []
    log = (tmp_path / "out" / "tool_execution_log.jsonl").read_text()
    assert "nothing at '/names/0' in the result of step 'read'" in log
    assert runs.wrong(tmp_path / "out") == []


def test_a_fan_out_over_what_is_no_list_fails_the_step(tmp_path: Path) -> None:
    some_tools.set_state("staff", "nobody")
    done = runs.run(tmp_path, runs.plan(fan()))
    assert done.exit_code == 1
    log = (tmp_path / "out" / "tool_execution_log.jsonl").read_text()
    assert "expected a list at '/names' in the result of step 'read', found str" in log


def test_a_fan_out_with_too_many_items_does_none_of_them(tmp_path: Path) -> None:
    staff(11)
    done = runs.run(tmp_path, runs.plan(fan(max_items=10)))
    assert done.exit_code == 1
    assert some_tools.noted("put") == []
    log = (tmp_path / "out" / "tool_execution_log.jsonl").read_text()
    assert "expected at most 10 items (max_items), found 11" in log
    assert runs.wrong(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ({"s": {"tool": "put", "args": {"key": {"$from": "gone"}, "value": 1}}}, "gone"),
        (
            {
                "s": {"tool": "put", "args": {"key": {"$from": "t"}, "value": 1}},
                "t": {"tool": "put", "args": {"key": {"$from": "s"}, "value": 1}},
            },
            "expected no cycle of dependencies, found",
        ),
        ({"s": {"tool": "put", "args": {"key": {"$item": ""}, "value": 1}}}, "item"),
        (fan(for_each={"$from": "nobody"}), "nobody"),
    ],
)
def test_references_that_cannot_hold_are_refused_before_anything_runs(
    tmp_path: Path, steps: dict[str, Any], told: str
) -> None:
    with pytest.raises(BadInput, match=told):
        runs.run(tmp_path, runs.plan(steps))
    assert not (tmp_path / "out").exists()


def test_a_fan_out_that_needs_a_person_asks_once_and_lists_its_items(tmp_path: Path) -> None:
    staff(30)
    assert runs.run(tmp_path, runs.plan(mail_all())).exit_code == 3
    [asked] = runs.asked()
    assert asked.request.step_id == "each"
    assert [args["to"] for args in asked.request.args] == [f"k{number}" for number in range(30)]
    assert [item.changes[0]["resource"] for item in asked.request.items] == [f"mail:k{n}" for n in range(30)]
    assert some_tools.noted("sent") == []
    runs.decide(asked.request.approval_id)
    assert runs.resume(tmp_path).exit_code == 0
    assert [to for to, _ in some_tools.noted("sent")] == [f"k{number}" for number in range(30)]
    assert len(runs.records(tmp_path / "out", ApprovalRequested)) == 1
    assert runs.asked()[0].consumed_by == tuple(f"p/each[{number}]" for number in range(30))
    assert runs.wrong(tmp_path / "out") == []


DIE = """
import os, sys, threading, time
from pathlib import Path
from e2e import some_runs as runs, some_tools
notes = Path(os.environ["SOME_DIR"]) / "sent"
def die():
    while not notes.exists() or notes.read_bytes().count(b"\\n") < 3:
        time.sleep(0.001)
    os._exit(0)
threading.Thread(target=die, daemon=True).start()
runs.resume(Path(sys.argv[1]))
"""


def test_a_yes_to_a_fan_out_outlives_a_crash_and_no_item_is_done_twice(tmp_path: Path) -> None:
    staff(300)
    assert runs.run(tmp_path, runs.plan(mail_all())).exit_code == 3
    runs.decide(runs.asked()[0].request.approval_id)
    with runs.another(DIE, str(tmp_path)):
        pass
    before = Counter(to for to, _ in some_tools.noted("sent"))
    assert 3 <= len(before) < 300
    done = runs.resume(tmp_path)
    after = Counter(to for to, _ in some_tools.noted("sent"))
    assert max(after.values()) == 1
    unknown = 300 - len(after)
    assert unknown <= 1
    assert len(runs.asked()) == 1
    assert done.exit_code in (0, 4)
    assert runs.wrong(tmp_path / "out") == []


def test_a_fan_out_that_is_denied_does_nothing(tmp_path: Path) -> None:
    staff(5)
    runs.run(tmp_path, runs.plan({**mail_all(), "beside": {"tool": "put", "args": {"key": "k", "value": 1}}}))
    runs.decide(runs.asked()[0].request.approval_id, approve=False)
    done = runs.resume(tmp_path)
    assert done.exit_code == 1
    assert some_tools.noted("sent") == []
    assert some_tools.noted("put") == [["k", "1"]]
    assert runs.wrong(tmp_path / "out") == []


def test_an_item_whose_end_nobody_knows_is_not_tried_again(tmp_path: Path) -> None:
    tried: list[str] = []

    @tool(risk=Risk.MEDIUM, effect="write", undo="equivalent", permissions=["x"], resources=["r:{key}"])
    async def flaky(key: str, value: int) -> dict[str, Any]:
        """Break on the third."""
        tried.append(key)
        if key == "k2":
            raise RuntimeError("the line went dead")
        return {}

    @flaky.preview
    async def _(key: str, value: int) -> Preview:
        return Preview(changes=[Change(f"r:{key}", None, value)])

    @flaky.undo
    async def _(call: Any, result: Any) -> Restored:
        return Restored()

    staff(5)
    harness = Harness(runs.live(tmp_path / "out"), tools=[*some_tools.TOOLS, flaky], granted_by="ada")
    done = harness.run_sync(runs.plan(fan("flaky")))
    assert done.exit_code == 4
    assert tried == [f"k{number}" for number in range(5)]
    assert runs.wrong(tmp_path / "out") == []


def test_a_read_that_only_passed_dry_run_is_real(tmp_path: Path) -> None:
    staff(2)
    steps = fan()
    steps["read"]["confidence"] = 0.6
    done = runs.run(tmp_path, runs.plan(steps))
    assert done.exit_code == 0
    assert len(some_tools.noted("put")) == 2
    assert runs.wrong(tmp_path / "out") == []


@pytest.mark.parametrize("confidence", [0.1, 0.6])
def test_an_empty_list_is_as_real_as_where_it_came_from(tmp_path: Path, confidence: float) -> None:
    @tool(risk=Risk.LOW, effect="read")
    async def none() -> list[int]:
        """Find nothing."""
        return []

    @none.mock
    async def _() -> list[int]:
        return []

    steps = {
        "read": {"tool": "none", "confidence": confidence},
        "each": {"tool": "put", "args": {"key": {"$item": ""}, "value": 1}, "for_each": {"$from": "read"}},
        "last": {"tool": "put", "args": {"key": "last", "value": 1}, "depends_on": ["each"]},
    }
    harness = Harness(runs.live(tmp_path / "out"), tools=[*some_tools.TOOLS, none], granted_by="ada")
    harness.run_sync(runs.plan(steps))
    assert some_tools.noted("put") == ([["last", "1"]] if confidence == 0.6 else [])
    assert runs.wrong(tmp_path / "out") == []


def test_what_depends_on_a_call_in_doubt_is_held(tmp_path: Path) -> None:
    @tool(risk=Risk.MEDIUM, effect="write", undo="equivalent", permissions=["x"], resources=["r"])
    async def doubtful() -> dict[str, Any]:
        """Break in the middle."""
        raise RuntimeError("the line went dead")

    @doubtful.preview
    async def _() -> Preview:
        return Preview(changes=[Change("r", None, 1)], result={"key": "k"})

    @doubtful.undo
    async def _(call: Any, result: Any) -> Restored:
        return Restored()

    steps = {
        "d": {"tool": "doubtful"},
        "s": {"tool": "put", "args": {"key": {"$from": "d", "path": "/key"}, "value": 1}},
    }
    harness = Harness(runs.live(tmp_path / "out"), tools=[*some_tools.TOOLS, doubtful], granted_by="ada")
    done = harness.run_sync(runs.plan(steps))
    assert done.exit_code == 4
    status = done.summary["steps"]["by_status"]
    assert (status["UNKNOWN"], status["HELD"]) == (1, 1)
    assert some_tools.noted("put") == []
    assert runs.wrong(tmp_path / "out") == []


# Nothing real is ever fed with what was made up.

MADE_UP = "made-up"


class World:
    """Tools that write down what they were fed, on which rung."""

    def __init__(self) -> None:
        self.fed: list[tuple[str, str]] = []
        self.failing: set[str] = set()
        self.done: list[str] = []

    def _feed(self, rung: str, name: str, given: Any) -> dict[str, Any]:
        self.fed.append((rung, json.dumps(given)))
        if name in self.failing:
            raise ToolError("no")
        return {"token": f"real-{name}", "list": [f"real-{name}-0", f"real-{name}-1"]}

    def tools(self) -> list[Any]:
        return [self.reader(), *(self.writer(risk, undo) for risk in Risk for undo in ("exact", "none"))]

    def reader(self) -> Any:
        @tool(name="reader", risk=Risk.LOW, effect="read", permissions=["read"])
        async def reader(name: str, given: Any) -> dict[str, Any]:
            found = self._feed("read", name, given)
            return {**found, "token": f"previewed-{name}"} if "previewed" in json.dumps(given) else found

        reader.mock(self._mock())
        return reader

    def _mock(self) -> Any:
        async def made_up(name: str, given: Any) -> dict[str, Any]:
            return {"token": f"{MADE_UP}-{name}", "list": [f"{MADE_UP}-{n}" for n in range(3)]}

        return made_up

    def writer(self, risk: Risk, undo: str) -> Any:
        @tool(
            name=f"write_{risk.value}_{undo}",
            risk=risk,
            effect="write",
            undo=undo,
            permissions=[f"write.{risk.value}"],
            resources=["thing:{name}"],
        )
        async def writer(name: str, given: Any) -> dict[str, Any]:
            found = self._feed("live", name, given)
            self.done.append(name)
            return found

        @writer.preview
        async def _(name: str, given: Any) -> Preview:
            self.fed.append(("preview", json.dumps(given)))
            result = {"token": f"previewed-{name}", "list": [f"previewed-{name}"]}
            return Preview(changes=[Change(f"thing:{name}", None, name)], result=result)

        if undo != "none":

            @writer.undo
            async def _(call: Any, result: Any) -> Restored:
                return Restored()

        writer.mock(self._mock())
        return writer


TOOL_NAMES = ["reader", *(f"write_{risk.value}_{undo}" for risk in Risk for undo in ("exact", "none"))]
AGENTS = {
    "all": {"permissions": ["read", *(f"write.{risk.value}" for risk in Risk)]},
    "some": {"permissions": ["read", "write.LOW"]},
}


@st.composite
def dags(draw: st.DrawFn) -> dict[str, Any]:
    steps: dict[str, Any] = {}
    for number in range(draw(st.integers(2, 6))):
        name = f"s{number}"
        given = draw(st.sampled_from(["plain", "token", "item", "list"])) if number else "plain"
        step: dict[str, Any] = {
            "tool": draw(st.sampled_from(TOOL_NAMES)),
            "agent": draw(st.sampled_from(["all", "all", "some"])),
            "confidence": draw(st.sampled_from([0.95, 0.95, 0.95, 0.82, 0.66, 0.5, 0.1])),
        }
        args: dict[str, Any] = {"name": name, "given": "x"}
        if given != "plain":
            source = f"s{draw(st.integers(0, number - 1))}"
            fanned = "for_each" in steps[source]
            if given == "token":
                args["given"] = {"$from": source, "path": "/0/token" if fanned else "/token"}
            elif given == "list":
                args["given"] = [{"$from": source, "path": ""}]
            else:
                step["for_each"] = {"$from": source, "path": "/0/list" if fanned else "/list"}
                args["given"] = {"$item": ""}
        steps[name] = {**step, "args": args}
    ends = {"on_failure": draw(st.sampled_from(["stop", "continue"]))}
    return {"plan_id": "p", "order": "parallel", "steps": steps, "agents": AGENTS, **ends}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    document=dags(),
    failing=st.sets(st.sampled_from([f"s{number}" for number in range(6)]), max_size=2),
    answer=st.booleans(),
)
def test_nothing_real_is_fed_with_what_was_made_up(
    document: dict[str, Any], failing: set[str], answer: bool
) -> None:
    world = World()
    world.failing = failing
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        config = runs.live(out, breaker=False, isolate=False, duplicate_window_s=0.0)
        harness = Harness(config, world.tools(), approval_callback=lambda *_: answer, granted_by="ada")
        harness.run_sync(document)
        assert [fed for fed in world.fed if MADE_UP in fed[1] or "$from" in fed[1] or "$item" in fed[1]] == []
        assert [fed for fed in world.fed if fed[0] == "live" and "previewed" in fed[1]] == []
        assert runs.wrong(out) == []
        assert len({(e.plan, e.step) for e in _intents(out)}) == len(_intents(out))


def _intents(folder: Path) -> list[Intent]:
    return [record.event for record in runs.records(folder, Intent) if isinstance(record.event, Intent)]
