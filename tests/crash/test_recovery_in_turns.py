"""What is found out after a crash, undone by hand and gone on with, one after another."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from buddy import BadInput, ExecutionConfig, Mode, wiring
from buddy.journal.events import UndoIntent, UndoOutcome
from buddy.model.approval import ApprovalState, Vote
from buddy.model.home import LeaseWant
from buddy.model.outcome import UndoResult
from crash.test_recovery import CHILD, TOOLS, asked, die, effects, events, plan, resume, steps
from crash.test_recovery import desk as desk

LISTED = """

@tool(risk=Risk.LOW, effect="read")
def given() -> dict[str, Any]:
    \"\"\"Return the items.\"\"\"
    return {"items": [{"key": "k0"}, {"key": "k0"}, {"key": "k1"}]}


def world(plan_id: str) -> list[Any]:
    return [put, send, log, given]
"""


def fan_out(*more: tuple[str, str]) -> None:
    """A plan that writes each thing of a list, and then does more."""
    tools = Path(TOOLS).read_text() + LISTED
    Path("tools.py").write_text(tools)
    steps: dict[str, Any] = {
        "list": {"tool": "given"},
        "each": {
            "tool": "put",
            "args": {"key": {"$item": "/key"}},
            "for_each": {"$from": "list", "path": "/items"},
        },
    }
    steps |= {key: {"tool": tool, "args": {"key": key}} for tool, key in more}
    told = {name: {"agent": "a", "confidence": 0.95, **step} for name, step in steps.items()}
    document = {"plan_id": "p", "execution_order": list(told), "steps": told}
    Path("plan.json").write_text(json.dumps(document))


def rollback(step: str | None = None, tools: str = TOOLS) -> wiring.RunResult:
    result = wiring.rollback("out", [tools], by="ada", step=step)
    assert not wiring.verify("out").violations
    return result


# undos


def lost_undo(monkeypatch: pytest.MonkeyPatch) -> None:
    plan(("put", "one"), ("put", "two"), ("put", "three"), three={"fail": True})
    die("undo-after:two")
    resume(monkeypatch, probes=False)
    assert [event.result for event in events(UndoOutcome) if event.step == "two"] == [UndoResult.FAILED]


def test_a_lost_undo_is_asked_about_again_before_anything_is_undone_by_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lost_undo(monkeypatch)
    monkeypatch.setenv("PROBES", "yes")
    assert steps(rollback()) == {"ROLLED_BACK": 2, "FAILED": 1}
    assert events(UndoOutcome)[-1].result is UndoResult.RESTORED_EXACT
    assert effects()["undo two"] == 1


def test_a_lost_undo_is_made_again_only_where_its_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lost_undo(monkeypatch)
    with pytest.raises(BadInput, match=r"may have been undone when Buddy stopped \(p/two\)"):
        rollback()
    with pytest.raises(BadInput, match=r"in 'one', found none$"):
        rollback("one")
    assert effects()["undo two"] == 1
    assert steps(rollback("two"))["ROLLED_BACK"] == 2
    assert effects()["undo two"] == 2


def test_what_is_undone_by_hand_may_be_undone_in_any_turn() -> None:
    steps_of = {
        name: {"tool": "put", "agent": "a", "confidence": 0.95, "args": {"key": name}, **more}
        for name, more in (("one", {"group": "g"}), ("two", {}), ("three", {"group": "g"}), ("four", {}))
    }
    document = {"plan_id": "p", "execution_order": list(steps_of), "steps": steps_of}
    Path("plan.json").write_text(json.dumps(document))
    config = ExecutionConfig(mode=Mode.LIVE, output_dir="out")
    assert wiring.run(["plan.json"], [TOOLS], config, granted_by="ada").exit_code == 0
    rollback("two")
    rollback()
    assert [event.step for event in events(UndoOutcome)] == ["two", "four", "three", "one"]
    assert not wiring.verify("out").violations


def test_a_fan_out_that_was_undone_by_hand_is_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    fan_out(("send", "last"))
    config = ExecutionConfig(mode=Mode.LIVE, output_dir="out")
    assert wiring.run(["plan.json"], ["tools.py"], config, granted_by="ada").exit_code == 3
    rollback(tools="tools.py")
    result = wiring.resume("out", ["tools.py"], by="ada")
    assert result.exit_code in (1, 3)
    assert not wiring.verify("out").violations
    assert effects() == {"put k0": 1, "undo k0": 1, "put k1": 1, "undo k1": 1}


# calls


def test_the_twin_of_a_call_in_doubt_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    fan_out()
    child = CHILD.replace("max_retries=0", "max_retries=0, isolate=True")
    done = subprocess.run(
        [sys.executable, "-c", child, "tools.py"],
        env={**os.environ, "CRASH": "after:k0"},
        check=False,
        timeout=60,
    )
    assert done.returncode == -9
    wiring.resume("out", ["tools.py"], by="ada")
    assert not wiring.verify("out").violations
    assert effects()["put k0"] == 1


def test_a_tool_that_is_not_idempotent_any_more_is_not_called_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan(("log", "one"))
    die("after:one")
    corrected = Path(TOOLS).read_text().replace("idempotent=True, ", "")
    Path("tools.py").write_text(corrected)
    result = wiring.resume("out", ["tools.py"], by="ada")
    assert (result.exit_code, steps(result)) == (4, {"UNKNOWN": 1})
    assert effects() == {"log one": 1}
    assert not wiring.verify("out").violations


def test_what_is_behind_a_call_in_doubt_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plan(("log", "one"), ("put", "two"))
    die("after:one")
    mock = '\n\n@log.mock\ndef _(key: str) -> str:\n    raise ToolError("not now")\n'
    changed = Path(TOOLS).read_text().replace("idempotent=True", 'version="2", idempotent=True')
    Path("tools.py").write_text(changed + mock)
    result = wiring.resume("out", ["tools.py"], by="ada")
    assert (result.exit_code, steps(result)) == (4, {"UNKNOWN": 1, "HELD": 1})
    assert wiring.resolve("out", "one", happened=True, by="ada").exit_code == 3
    result = resume(monkeypatch, probes=False)
    assert (result.exit_code, steps(result)) == (0, {"SUCCEEDED": 2})
    assert effects() == {"log one": 1, "put two": 1}


def test_what_was_let_through_in_time_may_be_called_after_its_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    plan(("put", "one"), ("send", "two"))
    child = CHILD.replace("max_retries=0", "max_retries=0, approval_expiry_s=1.5")
    done = subprocess.run(
        [sys.executable, "-c", child, TOOLS],
        env={**os.environ, "CRASH": "let-through:two"},
        check=False,
        timeout=60,
    )
    assert done.returncode == -9
    time.sleep(2.2)
    result = resume(monkeypatch, probes=False)
    assert (result.exit_code, steps(result)) == (0, {"SUCCEEDED": 2})


SLOW = """

@tool(risk=Risk.LOW, effect="write", undo="exact", timeout_s=0.3, resources=["slow:{key}"])
def slow(key: str) -> str:
    \"\"\"Have an effect, and take longer than anybody waits.\"\"\"
    time.sleep(0.8)
    act(f"put {key}")
    return key


@slow.preview
def _(key: str) -> Preview:
    return Preview(changes=[key])


@slow.undo
def _(call: Call, result: Any) -> Restored:
    act(f"undo {call.args['key']}")
    return Restored(verified=True, exact=True)
"""


def test_an_end_that_comes_late_counts_where_it_comes_soon() -> None:
    Path("tools.py").write_text(Path(TOOLS).read_text() + SLOW)
    plan(("slow", "one"))
    config = ExecutionConfig(mode=Mode.LIVE, output_dir="out")
    result = wiring.run(["plan.json"], ["tools.py"], config, granted_by="ada")
    assert (result.exit_code, steps(result)) == (0, {"SUCCEEDED": 1})
    assert effects() == {"put one": 1}
    assert not wiring.verify("out").violations


FLAKY = """

@tool(risk=Risk.HIGH, effect="write", idempotent=True, permissions=["e.write"], resources=["flaky"])
def flaky(key: str) -> str:
    \"\"\"Have an effect, and break the first time.\"\"\"
    act(f"put {key}")
    if len(effects()) == 1:
        raise OSError("cut")
    return key


@flaky.preview
def _(key: str) -> Preview:
    return Preview(changes=[key, len(effects())])
"""


def approve() -> None:
    with closing(wiring.home()) as home:
        [waiting] = home.approvals(0.0, None, ApprovalState.PENDING)
        vote = Vote(by="eve", approve=True, at="2030-01-01T00:00:00+00:00")
        home.vote(waiting.request.approval_id, vote, 0.0)


def test_a_call_in_doubt_that_waits_for_a_person_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("tools.py").write_text(Path(TOOLS).read_text() + FLAKY)
    plan(("flaky", "one"))
    retries: Any = {"max_retries": 1, "exponential_base": 1.0}
    config = ExecutionConfig(mode=Mode.LIVE, output_dir="out", **retries)
    assert wiring.run(["plan.json"], ["tools.py"], config, granted_by="ada").exit_code == 3
    approve()
    # It breaks after its effect, and looks different now: that is another question.
    result = wiring.resume("out", ["tools.py"], by="ada")
    assert (result.exit_code, steps(result)) == (4, {"UNKNOWN": 1})
    assert not wiring.verify("out").violations
    approve()
    result = wiring.resume("out", ["tools.py"], by="ada")
    assert (result.exit_code, steps(result)) == (0, {"SUCCEEDED": 1})
    assert effects() == {"put one": 2}
    assert not wiring.verify("out").violations


# signals


def stopped(script: str, ready: Callable[[], bool], wait_s: float = 0.0) -> None:
    """Run a script until something holds, and have it end in good order."""
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL) as child:
        try:
            while not ready():
                assert child.poll() is None
                time.sleep(0.02)
            time.sleep(wait_s)
            child.send_signal(signal.SIGTERM)
            child.wait(8)
        finally:
            child.kill()


READ = """

@tool(risk=Risk.LOW, effect="read")
async def look(key: str) -> str:
    \"\"\"Take a while.\"\"\"
    import asyncio
    act("looking")
    await asyncio.sleep(1.0)
    return key
"""


def test_an_approved_read_is_on_record_before_its_run_stops() -> None:
    Path("tools.py").write_text(Path(TOOLS).read_text() + READ)
    plan(("look", "one"), ("put", "two"))
    script = (
        "from buddy import ExecutionConfig, Mode, wiring\n"
        "config = ExecutionConfig(mode=Mode.LIVE, output_dir='out', approvals='policy.toml',"
        " approval_required='all')\n"
        "wiring.run(['plan.json'], ['tools.py'], config, granted_by='ada')"
    )
    stopped(script, lambda: effects()["looking"] == 1)
    [used] = [one for one in asked() if one.consumed_by]
    assert used.consumed_by == ("p/one",)
    assert not wiring.verify("out").violations
    assert "put two" not in effects()


def test_an_undo_that_waits_for_another_process_hears_a_signal() -> None:
    plan(("put", "one"))
    config = ExecutionConfig(mode=Mode.LIVE, output_dir="out")
    assert wiring.run(["plan.json"], [TOOLS], config, granted_by="ada").exit_code == 0
    with closing(wiring.home()) as other:
        assert other.acquire([LeaseWant("another", (("thing:one", True),))]) == [True]
        script = f"from buddy import wiring\nwiring.rollback('out', [{TOOLS!r}], by='ada')"
        stopped(script, lambda: True, wait_s=2.5)
    assert events(UndoIntent) == []
    assert effects() == {"put one": 1}
    assert steps(rollback()) == {"ROLLED_BACK": 1}
