"""Plans whose later steps take what earlier ones found, up the whole ladder."""

import asyncio
import json
import tempfile
from collections import Counter
from contextlib import closing
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
from buddy.model.approval import Vote
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
