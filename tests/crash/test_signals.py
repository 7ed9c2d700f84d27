"""SIGINT and SIGTERM: what acts comes to its end, the run says how it goes on, and goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from buddy import ExecutionConfig, Mode, wiring
from buddy.journal.events import Intent, Outcome, RunFinished

TOOLS = """
import os, time
from pathlib import Path
from buddy import Preview, Restored, Risk, ToolError, tool

def note(line):
    with open("effects", "a") as file:
        file.write(line + "\\n")

@tool(risk=Risk.MEDIUM, effect="write", undo="exact", permissions=["w"], resources=["thing:{key}"])
def put(key: str) -> str:
    note(f"begin {key}")
    while not Path("go").exists() and key.startswith("slow"):
        time.sleep(0.01)
    if key.startswith("bad"):
        raise ToolError("no")
    note(f"end {key}")
    return key

@put.preview
def _(key: str) -> Preview:
    return Preview(changes=[key])

@put.undo
def _(call, result) -> Restored:
    note(f"undo {call.args['key']}")
    return Restored(verified=True, exact=True)
"""


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DRY_RUN", raising=False)
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    Path("tools.py").write_text(TOOLS)
    return tmp_path


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Have processes hear SIGINT also where the tests run in the background, without a terminal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def plan(*keys: str, agents: int = 1) -> None:
    steps = {
        key: {"tool": "put", "agent": f"a{place % agents}", "confidence": 0.95, "args": {"key": key}}
        for place, key in enumerate(keys)
    }
    order = "strict" if agents == 1 else "parallel"
    document = {"plan_id": "p", "order": order, "execution_order": list(keys), "steps": steps}
    Path("plan.json").write_text(json.dumps(document))


@contextmanager
def running(*words: str) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-m", "buddy", *words, "--tools", "tools.py"]
    with subprocess.Popen(
        command, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


LIVE = ExecutionConfig(mode=Mode.LIVE, output_dir="out", max_retries=0)
RUN = ("run", "plan.json", "--mode", "live", "--out", "out", "--set", "max_retries=0")


def effects() -> list[str]:
    path = Path("effects")
    return path.read_text().splitlines() if path.exists() else []


def wait_for(line: str) -> None:
    until = time.monotonic() + 30
    while line not in effects():
        assert time.monotonic() < until, effects()
        time.sleep(0.01)


def kinds(*wanted: type) -> list[str]:
    return [
        type(record.event).__name__ for record in wiring.records("out") if isinstance(record.event, wanted)
    ]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_the_call_in_flight_ends_nothing_else_begins_and_the_run_goes_on(name: str) -> None:
    plan("slow", "next", "last")
    with running(*RUN) as process:
        wait_for("begin slow")
        process.send_signal(getattr(signal, name))
        time.sleep(0.3)
        assert process.poll() is None  # it waits for the call
        Path("go").touch()
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert f"{name}: nothing more is begun, 1 live call may end" in err
    assert f"interrupted by {name}; `buddy resume out --tools tools.py` goes on" in err
    assert "Traceback" not in err
    assert effects() == ["begin slow", "end slow"]
    assert kinds(Intent, Outcome, RunFinished) == ["Intent", "Outcome", "RunFinished"]
    assert not wiring.verify("out").violations
    summary = json.loads(Path("out/orchestration_summary.json").read_text())
    assert (summary["exit_code"], summary["steps"]["by_status"]["SUCCEEDED"]) == (130, 1)

    assert wiring.resume("out", ["tools.py"], by="ada").exit_code == 0
    assert effects() == [f"{what} {key}" for key in ("slow", "next", "last") for what in ("begin", "end")]
    assert not wiring.verify("out").violations


def test_every_call_in_flight_ends(desk: Path) -> None:
    keys = [f"slow{number}" for number in range(4)]
    plan(*keys, "slow4", agents=4)
    with running(*RUN) as process:
        for key in keys:
            wait_for(f"begin {key}")
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        Path("go").touch()
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "4 live calls may end" in err
    assert sorted(effects()) == sorted(f"{what} {key}" for key in keys for what in ("begin", "end"))
    assert wiring.resume("out", ["tools.py"], by="ada").exit_code == 0
    assert not wiring.verify("out").violations


def test_a_second_signal_ends_the_process_at_once_and_the_call_is_in_doubt() -> None:
    plan("slow", "next")
    with running(*RUN[:4], "--out", "the out") as process:
        wait_for("begin slow")
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert err.endswith(
        "SIGINT: the process ends at once, as in a crash; `buddy resume 'the out' --tools tools.py` goes on\n"
    )
    result = wiring.resume("the out", ["tools.py"], by="ada")
    assert result.exit_code == 4
    assert effects() == ["begin slow"]
    assert not wiring.verify("the out").violations


@pytest.mark.parametrize("module", ["argparse", "msgspec"])
def test_a_signal_while_modules_are_imported_is_one_line(module: str) -> None:
    Path("first").mkdir()
    Path(f"first/{module}.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    done = subprocess.run(
        [sys.executable, "-m", "buddy", "run", "plan.json"],
        env={**os.environ, "PYTHONPATH": "first"}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "buddy: interrupted\n")


def interrupted_in(
    place: str, name: str, *, times: int = 1, stderr: int | IO[str] = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """Run with a SIGINT, or several, at the moment at which a function of a run's start or end is called."""
    code = f"""
import os, signal, sys
from buddy.interfaces.cli.main import main
from buddy.wiring import session
whole = session.{place}.{name}
def interrupted(*args):
    for _ in range({times}):
        os.kill(os.getpid(), signal.SIGINT)
    return whole(*args)
session.{place}.{name} = interrupted
sys.exit(main())
"""
    return subprocess.run(
        [sys.executable, "-c", code, *RUN, "--tools", "tools.py"],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_signal_before_a_run_has_begun_leaves_nothing_behind() -> None:
    plan("one")
    done = interrupted_in("orchestrator", "survey")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "buddy: interrupted\n")
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("place", "name"), [("FileJournal", "create"), ("orchestrator", "contracts_of"), ("Session", "_opened")]
)
def test_a_signal_while_a_run_begins_says_how_it_goes_on(place: str, name: str) -> None:
    plan("one")
    done = interrupted_in(place, name)
    assert (done.returncode, done.stdout) == (130, "")
    assert "interrupted by SIGINT; `buddy resume out --tools tools.py` goes on\n" in done.stderr
    assert effects() == []
    assert wiring.resume("out", ["tools.py"], by="ada").exit_code == 0
    assert effects() == ["begin one", "end one"]
    assert not wiring.verify("out").violations


def test_a_run_that_cannot_say_that_it_was_interrupted_is_told_by_its_journal() -> None:
    plan("one")
    with Path("/dev/full").open("w") as full:
        assert interrupted_in("FileJournal", "create", stderr=full).returncode
    assert wiring.resume("out", ["tools.py"], by="ada").exit_code == 0
    assert effects() == ["begin one", "end one"]


def test_a_second_signal_ends_a_process_that_closes_its_run() -> None:
    plan("one")
    done = interrupted_in("Session", "_rest", times=2)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.startswith("ALERT SIGINT: the process ends at once, as in a crash; `buddy resume out")
    assert wiring.resume("out", ["tools.py"], by="ada").exit_code == 0
    assert effects() == ["begin one", "end one"]


def test_a_signal_when_a_run_is_over_changes_nothing() -> None:
    plan("one")
    done = interrupted_in("Session", "_rest")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(Path("out/orchestration_summary.json").read_text())["exit_code"] == 0


def test_a_rollback_stops_between_two_undos_and_is_ended_by_a_resume() -> None:
    source = TOOLS.replace('note(f"undo {call', 'time.sleep(0.5); note(f"undo {call')
    Path("tools.py").write_text(source)
    plan("one", "two", "three", "bad")
    with running(*RUN) as process:
        wait_for("begin bad")
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert effects()[-1] == "undo three"
    result = wiring.resume("out", ["tools.py"], by="ada")
    assert result.exit_code == 1
    assert effects()[-3:] == ["undo three", "undo two", "undo one"]
    assert not wiring.verify("out").violations


SLOW_UNDO = TOOLS.replace('note(f"undo {call', "note('undoing'); time.sleep(1.5); note(f\"undo {call")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_rollback_by_hand_stops_after_the_undo_in_flight_and_goes_on(name: str) -> None:
    Path("tools.py").write_text(SLOW_UNDO)
    plan("one", "two", "three")
    assert wiring.run(["plan.json"], ["tools.py"], LIVE, granted_by="ada").exit_code == 0
    with running("rollback", "out") as process:
        wait_for("undoing")
        process.send_signal(getattr(signal, name))
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert effects()[6:] == ["undoing", "undo three"]
    assert f"{name}: nothing more is begun, 1 live call may end" in err
    assert f"buddy: interrupted by {name}; `buddy rollback out --tools tools.py` goes on\n" in err
    assert not wiring.verify("out").violations
    summary = json.loads(Path("out/orchestration_summary.json").read_text())
    assert summary["exit_code"] == 130
    assert summary["exit_reason"] == f"interrupted by {name}; 'buddy rollback' goes on"

    Path("tools.py").write_text(TOOLS)
    assert wiring.rollback("out", ["tools.py"], by="ada").exit_code == 1
    assert effects()[8:] == ["undo two", "undo one"]
    assert not wiring.verify("out").violations


def test_a_run_that_waits_for_people_stops_at_once() -> None:
    Path("tools.py").write_text(TOOLS.replace("Risk.MEDIUM", "Risk.HIGH"))
    plan("one", "two")
    with running(*RUN, "--approvals", "wait") as process:
        until = time.monotonic() + 30
        while not (
            Path("out/journal.jsonl").exists()
            and b"approval_requested" in Path("out/journal.jsonl").read_bytes()
        ):
            assert time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode == 130
    assert effects() == []
    assert wiring.resume("out", ["tools.py"], by="ada", approvals="exit").exit_code == 3
