"""A process that dies in a call or in an undo: what is found out, who is asked, what is never repeated."""

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from buddy import ExecutionConfig, Mode, wiring
from buddy.adapters.home import SqliteHome
from buddy.errors import HomeUnavailable
from buddy.journal.events import Outcome, Resolved, RunResumed, Settled, UndoOutcome
from buddy.model.approval import Approval
from buddy.model.outcome import UndoResult

TOOLS = str(Path(__file__).with_name("effects.py"))
POLICY = '[[rules]]\ndecision = "approve"\ntool = "*"\n'
CHILD = """
import os, signal, sys
from buddy import ExecutionConfig, Mode, wiring
from buddy.engine.run import Run
from buddy.journal.events import Intent
what, _, key = os.environ["CRASH"].partition(":")
record = Run.record
def dies(run, event, at=None):
    if what == "let-through" and isinstance(event, Intent) and event.step == key:
        os.kill(os.getpid(), signal.SIGKILL)
    return record(run, event, at)
Run.record = dies
if sys.argv[2:] == ["resume"]:
    sys.exit(wiring.resume("out", [sys.argv[1]], by="ada").exit_code)
config = ExecutionConfig(mode=Mode.LIVE, output_dir="out", approvals="policy.toml", max_retries=0)
sys.exit(wiring.run(["plan.json"], [sys.argv[1]], config, granted_by="ada").exit_code)
"""


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("DRY_RUN", "CRASH", "PROBES", "FAILS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EFFECTS", str(tmp_path / "effects"))
    Path("policy.toml").write_text(POLICY)
    return tmp_path


def plan(*steps: tuple[str, str], **more: Any) -> None:
    """A chain of calls, each named by its key."""
    told = {
        key: {"tool": tool, "agent": "a", "confidence": 0.95, "args": {"key": key, **more.get(key, {})}}
        for tool, key in steps
    }
    document = {"plan_id": "p", "execution_order": [key for _, key in steps], "steps": told}
    Path("plan.json").write_text(json.dumps(document))


def die(point: str, what: str = "run") -> None:
    """Run the plan, or `resume` it, in a process that ends at a point."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, TOOLS, what],
        env={**os.environ, "CRASH": point},
        check=False,
        timeout=60,
    )
    assert done.returncode == -9


def resume(monkeypatch: pytest.MonkeyPatch, probes: bool) -> wiring.RunResult:
    monkeypatch.setenv("PROBES", "yes" if probes else "no")
    result = wiring.resume("out", [TOOLS], by="ada")
    assert not wiring.verify("out").violations
    return result


def effects() -> Counter[str]:
    path = Path("effects")
    return Counter(path.read_text().splitlines() if path.exists() else [])


def steps(result: wiring.RunResult) -> dict[str, int]:
    return {status: count for status, count in result.summary["steps"]["by_status"].items() if count}


def asked() -> list[Approval]:
    with closing(wiring.home()) as home:
        return home.approvals(0.0)


def events(kind: type[Any]) -> list[Any]:
    return [record.event for record in wiring.records("out") if isinstance(record.event, kind)]


# a call in doubt


@pytest.mark.parametrize("tool", ["put", "send"])
@pytest.mark.parametrize("point", ["before", "after"])
def test_a_probe_settles_a_call_in_doubt_and_the_run_ends_as_if_nothing_had_been(
    tool: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(("put", "one"), (tool, "two"), ("put", "three"))
    die(f"{point}:two")
    result = resume(monkeypatch, probes=True)
    assert (result.exit_code, steps(result)) == (0, {"SUCCEEDED": 3})
    assert effects() == {"put one": 1, "put two": 1, "put three": 1}
    [found] = events(Resolved)
    assert (found.happened, found.by) == (point == "after", "probe")


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_call_that_nobody_can_tell_of_is_unknown_and_not_made_again(
    point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(("put", "one"), ("send", "two"), ("put", "three"))
    die(f"{point}:two")
    made = effects()["put two"]
    result = resume(monkeypatch, probes=False)
    assert result.exit_code == 4
    assert steps(result)["UNKNOWN"] == 1
    assert effects()["put two"] == made
    # Later the probe can tell, and the run ends.
    result = resume(monkeypatch, probes=True)
    assert (result.exit_code, steps(result)) == (0, {"SUCCEEDED": 3})
    assert effects() == {"put one": 1, "put two": 1, "put three": 1}


def test_what_may_come_twice_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    plan(("put", "one"), ("log", "two"))
    die("after:two")
    assert resume(monkeypatch, probes=False).exit_code == 0
    assert effects() == {"put one": 1, "log two": 2}
    assert events(Resolved) == []


def test_what_may_come_twice_and_was_cut_off_twice_is_told_twice() -> None:
    plan(("put", "zero"), ("log", "one"))
    die("after:one")
    die("after:one", "resume")
    result = wiring.rollback("out", [TOOLS], by="ada")
    assert not wiring.verify("out").violations
    assert steps(result) == {"ROLLED_BACK": 1, "UNKNOWN": 1}
    assert result.exit_code == 4
    assert [event.step for event in events(Settled)] == ["one", "one"]


def test_what_may_come_twice_stays_unknown_where_its_plan_goes_no_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad = {"tool": "put", "agent": "a", "confidence": 0.95, "args": {"key": "bad", "fail": True}}
    log = {"tool": "log", "agent": "b", "confidence": 0.95, "args": {"key": "one"}}
    document = {"plan_id": "p", "order": "parallel", "steps": {"bad": bad, "one": log}}
    Path("plan.json").write_text(json.dumps(document))
    die("failure:one")
    result = resume(monkeypatch, probes=False)
    assert steps(result) == {"FAILED": 1, "UNKNOWN": 1}
    assert result.exit_code == 4
    assert effects() == {"log one": 1}
    assert steps(resume(monkeypatch, probes=False)) == {"FAILED": 1, "UNKNOWN": 1}


@pytest.mark.parametrize(("name", "value"), [("FAILS", "log"), ("FAILS", "preview"), ("DRY_RUN", "true")])
def test_what_may_come_twice_stays_unknown_where_it_is_not_made_again(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(("put", "one"), ("log", "two"), ("put", "three"))
    die("after:two")
    monkeypatch.setenv(name, value)
    for _ in range(2):
        result = resume(monkeypatch, probes=False)
        assert (result.exit_code, steps(result)["UNKNOWN"]) == (4, 1)
        assert effects() == {"put one": 1, "log two": 1}
    monkeypatch.delenv(name)
    result = resume(monkeypatch, probes=False)
    assert (result.exit_code, steps(result)) == (0, {"SUCCEEDED": 3})
    assert effects() == {"put one": 1, "log two": 2, "put three": 1}


def test_a_retry_that_fails_without_effect_says_nothing_of_the_attempt_before() -> None:
    tools = Path(TOOLS).read_text() + (
        '\n\n@tool(risk=Risk.LOW, effect="write", idempotent=True, resources=["flaky"])\n'
        'def flaky(key: str) -> None:\n    """Have an effect and break, then fail without one."""\n'
        '    if effects():\n        raise ToolError("not now")\n    act("flaky")\n    raise OSError("cut")\n'
        "\n\n@flaky.preview\ndef _(key: str) -> Preview:\n    return Preview()\n"
    )
    Path("tools.py").write_text(tools)
    plan(("flaky", "one"))
    retries = {"max_retries": 1, "exponential_base": 1.0}
    config = ExecutionConfig(mode=Mode.LIVE, output_dir="out", approvals="policy.toml", **retries)
    result = wiring.run(["plan.json"], ["tools.py"], config, granted_by="ada")
    assert (result.exit_code, steps(result)) == (4, {"UNKNOWN": 1})
    assert [event.outcome.value for event in events(Outcome)] == ["unknown", "failed"]
    assert not wiring.verify("out").violations
    assert wiring.resolve("out", "one", happened=False, by="ada").exit_code == 1
    assert not wiring.verify("out").violations


def test_what_a_probe_found_to_have_happened_can_be_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    plan(("put", "one"), ("put", "two"), ("put", "three"), three={"fail": True})
    die("after:two")
    result = resume(monkeypatch, probes=True)
    assert steps(result) == {"ROLLED_BACK": 2, "FAILED": 1}
    assert effects() == {"put one": 1, "put two": 1, "undo one": 1, "undo two": 1}


def test_an_item_of_a_fan_out_is_asked_about_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [{"key": f"k{number}"} for number in range(4)]
    document = {
        "plan_id": "p",
        "agent_assignments": {"a": ["list", "each"]},
        "confidence_scores": {"list": 0.9, "each": 0.9},
        "steps": {
            "list": {"tool": "given"},
            "each": {
                "tool": "put",
                "args": {"key": {"$item": "/key"}},
                "for_each": {"$from": "list", "path": "/items"},
            },
        },
    }
    Path("plan.json").write_text(json.dumps(document))
    source = Path(TOOLS).read_text() + (
        '\n\n@tool(risk=Risk.LOW, effect="read")\ndef given() -> dict[str, Any]:\n'
        f'    """Return the items."""\n    return {{"items": {items!r}}}\n'
    )
    Path("tools.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, "tools.py"],
        env={**os.environ, "CRASH": "after:k2"},
        check=False,
        timeout=60,
    )
    assert done.returncode == -9
    monkeypatch.setenv("PROBES", "yes")
    result = wiring.resume("out", ["tools.py"], by="ada")
    assert not wiring.verify("out").violations
    assert result.exit_code == 0
    assert effects() == {f"put k{number}": 1 for number in range(4)}


def test_a_home_that_fails_as_a_run_goes_on_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    plan(("put", "one"), ("put", "two"))
    die("after:two")
    with monkeypatch.context() as broken:
        broken.setattr(SqliteHome, "register_run", Mock(side_effect=HomeUnavailable("it is gone")))
        with pytest.raises(HomeUnavailable) as kept:
            wiring.resume("out", [TOOLS], by="ada")
    assert resume(monkeypatch, probes=True).exit_code == 0
    assert "gone" in str(kept.value)


# what the home let through and nobody called


def test_what_was_let_through_and_never_called_is_told_and_free_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan(("put", "one"), ("send", "two"))
    die("let-through:two")
    [before] = [one for one in asked() if one.consumed_by]
    assert before.consumed_by == ("p/two",)
    monkeypatch.setenv("FAILS", "send")
    assert steps(resume(monkeypatch, probes=False)) == {"ROLLED_BACK": 1, "FAILED": 1}
    [resumed] = events(RunResumed)
    assert resumed.not_called == {before.request.approval_id: ["p/two"]}
    monkeypatch.delenv("FAILS")
    config = ExecutionConfig(mode=Mode.LIVE, output_dir="again", approvals="policy.toml")
    assert wiring.run(["plan.json"], [TOOLS], config, granted_by="ada").exit_code == 0
    assert effects() == {"put one": 2, "undo one": 1, "put two": 1}


def test_a_second_resume_does_not_tell_again_what_was_called_since(monkeypatch: pytest.MonkeyPatch) -> None:
    plan(("put", "one"), ("send", "two"))
    die("let-through:two")
    assert resume(monkeypatch, probes=False).exit_code == 0
    assert resume(monkeypatch, probes=False).exit_code == 0
    assert [len(event.not_called) for event in events(RunResumed)] == [1, 0]


# an undo in doubt


@pytest.mark.parametrize("point", ["undo-before", "undo-after"])
def test_a_rollback_that_was_cut_off_is_ended_and_nothing_undone_twice(
    point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(("put", "one"), ("put", "two"), ("put", "three"), three={"fail": True})
    die(f"{point}:two")
    result = resume(monkeypatch, probes=True)
    assert (result.exit_code, steps(result)) == (1, {"ROLLED_BACK": 2, "FAILED": 1})
    assert effects() == {"put one": 1, "put two": 1, "undo two": 1, "undo one": 1}
    found = {event.step: event.verified for event in events(UndoOutcome)}
    assert found == {"two": point == "undo-before", "one": True}


@pytest.mark.parametrize("point", ["undo-before", "undo-after"])
def test_an_undo_that_nobody_can_tell_of_is_left_to_a_person(
    point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(("put", "one"), ("put", "two"), ("put", "three"), three={"fail": True})
    die(f"{point}:two")
    undone = effects()["undo two"]
    result = resume(monkeypatch, probes=False)
    assert (result.exit_code, steps(result)) == (1, {"ROLLED_BACK": 1, "SUCCEEDED": 1, "FAILED": 1})
    assert effects()["undo two"] == undone
    lost = next(event for event in events(UndoOutcome) if event.step == "two")
    assert lost.result is UndoResult.FAILED
    assert "nobody knows whether it happened" in lost.error
    again = resume(monkeypatch, probes=False)
    assert steps(again) == steps(result)
    assert effects()["undo two"] == undone


def test_a_rollback_by_hand_first_finds_out_what_is_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    plan(("put", "one"), ("put", "two"))
    die("after:two")
    monkeypatch.setenv("PROBES", "yes")
    result = wiring.rollback("out", [TOOLS], by="ada")
    assert not wiring.verify("out").violations
    assert steps(result) == {"ROLLED_BACK": 2}
    assert effects() == {"put one": 1, "put two": 1, "undo one": 1, "undo two": 1}
