"""Code in the sandbox as people and plans meet it: the commands, the tool, the log, the story."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from buddy import BadInput, ClosedStop, ExecutionConfig, Harness, Mode, Sandbox, SandboxPolicy, wiring
from buddy.journal.events import Rung
from buddy.model.config import SandboxSettings
from buddy.model.outcome import StepStatus
from buddy.model.violations import NAME
from buddy.projections.story import Story, story
from buddy.wiring import sandbox
from e2e import some_runs as runs

if not sys.platform.startswith("linux"):
    pytest.skip("the sandbox is made of Linux", allow_module_level=True)

OUTER = Path(__file__).parent.parent / "sandbox" / "outer.py"
BARE = """
imports = ["socket", "os", "time"]
check = false
facades = false
"""
REACHES_OUT = """
import socket
with socket.socket() as line:
    line.connect(("127.0.0.1", 9))
"""


@pytest.fixture(scope="module", autouse=True)
def _held() -> None:
    if sandbox.capabilities().isolation is None:
        pytest.skip("this machine cannot hold code")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    runs.settle_in(tmp_path, monkeypatch.setenv)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DRY_RUN", raising=False)
    return tmp_path


def execute(code: str, agent: str, inputs: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"tool": "python.execute", "agent": agent, "args": {"code": code, "inputs": inputs or {}}, **more}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def statuses(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for record in runs.records(folder, Rung):
        event = record.event
        assert isinstance(event, Rung)
        if event.status is not None:
            found[event.step] = event.status.value
    return found


def told(folder: Path, step: str) -> str:
    found = story(wiring.records(str(folder)), "p", step)
    assert isinstance(found, Story)
    return "\n".join(found.sentences)


def children() -> set[int]:
    """Processes of this one, and of those."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                after_name = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(after_name[1])
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


FOUR_AGENTS = {
    "sum": execute("print('adding')\nsum(numbers)", "reader", {"numbers": [1, 2, 39]}),
    "steal": execute(REACHES_OUT, "thief", group="thief"),
    "note": {"tool": "put", "agent": "writer", "args": {"key": "k", "value": 1}, "group": "writer"},
    "tell": execute("f'{total} in all'", "teller", {"total": {"$from": "sum", "path": "/value"}}),
}


@pytest.mark.parametrize("layer", ["policy", "kernel"])
def test_hostile_code_fails_its_step_alone_and_is_on_record(layer: str, folder: Path) -> None:
    policy = "spec"
    if layer == "kernel":
        policy = str(folder / "bare.toml")
        Path(policy).write_text(BARE)
    before = children()
    document = runs.plan(FOUR_AGENTS, on_failure="continue")
    result = runs.run(folder, document, sandbox=SandboxSettings(policy=policy))
    out = folder / "out"

    assert result.exit_code == 1
    by_status = {name: count for name, count in result.summary["steps"]["by_status"].items() if count}
    assert by_status == {"SUCCEEDED": 3, "FAILED": 1}
    assert statuses(out)["steal"] == "FAILED"

    [rung] = [
        record.event
        for record in runs.records(out, Rung)
        if isinstance(record.event, Rung) and record.event.step == "steal" and record.event.error
    ]
    assert rung.error is not None
    assert rung.error.type == "CodeViolation"
    assert rung.error.message.startswith("NETWORK_ACCESS_ATTEMPT")
    assert " line " in rung.error.message
    assert f"noticed by the {layer} layer" in rung.error.message
    assert rung.mode is (Mode.DRY_RUN if layer == "kernel" else Mode.MOCK)

    logged = lines(out / NAME)
    assert {line["violation_type"] for line in logged} == {"NETWORK_ACCESS_ATTEMPT"}
    assert {line["layer"] for line in logged} == {layer}
    assert all(line["execution_id"] in rung.error.message for line in logged)
    if layer == "kernel":
        assert "system call socket" in rung.error.message
        assert all(line["authoritative"] and line["syscall"] == "socket" for line in logged)

    assert "NETWORK_ACCESS_ATTEMPT" in told(out, "steal")
    assert "42 in all" in told(out, "tell")
    assert runs.wrong(out) == []
    assert children() <= before


def test_a_rehearsal_finds_forbidden_code_before_any_step_has_acted(folder: Path) -> None:
    document = runs.plan({"note": FOUR_AGENTS["note"], "steal": FOUR_AGENTS["steal"]})
    del document["order"]
    runs.run(folder, document)
    assert not (folder / "some" / "put").exists()
    assert statuses(folder / "out")["steal"] == "FAILED"


def test_failing_code_is_not_tried_again_and_no_mark_against_the_tool(folder: Path) -> None:
    steps = {f"s{number}": execute("1 / 0", "a") for number in range(4)}
    document = runs.plan(steps, on_failure="continue")
    config = ExecutionConfig(mode=Mode.LIVE, output_dir="out", enable_rollback_on_failure=False)
    run = Harness(config).run_sync(document)
    failed = [
        record.event
        for record in runs.records(folder / "out", Rung)
        if isinstance(record.event, Rung) and record.event.error
    ]
    assert [event.error.type for event in failed if event.error] == ["CodeFailed"] * 4
    assert all(event.error and "line 1: ZeroDivisionError" in event.error.message for event in failed)
    assert not (folder / "out" / NAME).exists()
    assert [anomaly for anomaly in run.anomalies() if anomaly["breaker"]] == []


def test_the_time_of_a_step_ends_its_code(folder: Path) -> None:
    (folder / "strict.toml").write_text('[tools."python.execute"]\ntimeout_s = 0.3\n')
    (folder / "bare.toml").write_text(BARE)
    settings = SandboxSettings(policy="bare.toml", timeout_s=60.0)
    harness = Harness(runs.live(folder / "out", sandbox=settings), tools=["strict.toml"])
    began = time.monotonic()
    run = harness.run_sync(runs.plan({"sleep": execute("import time\ntime.sleep(50)", "a")}))
    assert time.monotonic() - began < 10
    assert run.exit_code == 1
    assert "no answer within 0.3 s" in told(folder / "out", "sleep")


def test_a_run_that_never_calls_it_starts_no_process(folder: Path) -> None:
    seen: list[set[int]] = []
    before = children()

    class Watching(wiring.Quiet):
        def progress(self, settled: int, total: int) -> None:
            seen.append(children() - before)

    harness = Harness(runs.live(folder / "out"), tools=[runs.TOOLS], interaction=Watching(), granted_by="ada")
    harness.run_sync(runs.plan({"note": FOUR_AGENTS["note"]}))
    assert seen
    assert set().union(*seen) == set()


def test_calls_run_code_in_one_sandbox(folder: Path) -> None:
    async def main() -> None:
        config = ExecutionConfig(mode=Mode.LIVE, output_dir="out", sandbox=SandboxSettings(policy="extended"))
        async with Harness(config) as harness:
            codes = ["import statistics\nstatistics.mean(n)", "import socket", "n[0]"]
            found = await asyncio.gather(
                *(
                    harness.call("a", "python.execute", {"code": code, "inputs": {"n": [2, 4]}}, confidence=1)
                    for code in codes
                )
            )
        assert [one.status for one in found] == [
            StepStatus.SUCCEEDED,
            StepStatus.FAILED,
            StepStatus.SUCCEEDED,
        ]
        assert [one.result and one.result["value"] for one in found] == [3, None, 2]

    before = children()
    asyncio.run(main())
    assert children() <= before
    assert [line["line"] for line in lines(folder / "out" / NAME)] == [1]
    assert runs.wrong(folder / "out") == []


def test_a_policy_that_cannot_be_used_is_told_before_anything_runs(folder: Path) -> None:
    config = ExecutionConfig(mode=Mode.LIVE, output_dir="out", sandbox=SandboxSettings(policy="none.toml"))
    harness = Harness(config)
    with pytest.raises(BadInput, match=r"none\.toml: expected a policy in TOML, found nothing there"):
        harness.run_sync(runs.plan({"one": execute("1", "a")}))
    assert not (folder / "out").exists()


@pytest.mark.parametrize("layer", ["policy", "kernel"])
def test_a_run_that_cannot_log_a_violation_stops(layer: str, folder: Path) -> None:
    (folder / "bare.toml").write_text(BARE)
    (folder / "out" / NAME).mkdir(parents=True)
    settings = SandboxSettings(policy="bare.toml" if layer == "kernel" else "spec")
    with pytest.raises(ClosedStop, match="writing the violation log failed"):
        runs.run(folder, runs.plan({"steal": FOUR_AGENTS["steal"]}), sandbox=settings)


# from Python


def test_the_public_sandbox_logs_in_the_home_unless_told(folder: Path) -> None:
    with Sandbox(SandboxPolicy(imports=("socket",), check=False, facades=False), workers=1) as box:
        assert box.execute("x + 1", {"x": 2**70}).value == 2**70 + 1
        result = box.execute(REACHES_OUT)
    assert not result.ok
    [line] = lines(folder / "home" / NAME)
    assert line["execution_id"] == result.execution_id
    with Sandbox(log=folder / "own.jsonl", workers=1) as box:
        box.execute("import socket")
    assert len(lines(folder / "home" / NAME)) == 1
    assert len(lines(folder / "own.jsonl")) == 1


# the commands


def buddy(*words: str, given: str = "", denied: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command, on a machine that denies some system calls."""
    outer = [sys.executable, str(OUTER), denied] if denied else []
    done = subprocess.run(
        [*outer, sys.executable, "-m", "buddy", *words],
        input=given, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(
    ("code", "words", "exit_code", "out", "err"),
    [
        ("print('hi')\nn * 2", ["--input", "n=21"], 0, "hi\n42\n", "isolation "),
        ("a = 1\na / 0", [], 1, "", "line 2: ZeroDivisionError: division by zero | a / 0"),
        ("x = 1\ndef f(:", [], 1, "", "line 2: SyntaxError: invalid syntax | def f(:"),
        ("return 1", [], 1, "", "line 1: SyntaxError: 'return' outside function | return 1"),
        ("import socket", [], 5, "", "NETWORK_ACCESS_ATTEMPT on line 1"),
        ("while True:\n    pass", ["--timeout", "0.2"], 6, "", "TIMEOUT: the code ran longer than 0.2 s"),
        ("[0] * 10**9", [], 6, "", "RESOURCE_LIMIT: the code needed more than 256 MiB of memory"),
    ],
)
def test_a_run_tells_by_its_exit_code_what_came_of_the_code(
    code: str, words: list[str], exit_code: int, out: str, err: str
) -> None:
    done = buddy("sandbox", "run", "-", *words, given=code)
    assert (done.returncode, done.stdout) == (exit_code, out)
    assert err in done.stderr


def test_a_document_tells_all_of_it_and_status_counts(folder: Path) -> None:
    (folder / "code.py").write_text("import socket\n")
    done = buddy("sandbox", "run", "code.py", "--json")
    document = json.loads(done.stdout)
    assert document["exit_code"] == done.returncode == 5
    assert document["violations"][0]["type"] == "NETWORK_ACCESS_ATTEMPT"
    status = json.loads(buddy("status", "--json").stdout)["sandbox_violations"]
    assert (status["total"], status["by_type"]) == (1, {"NETWORK_ACCESS_ATTEMPT": 1})
    assert status["last"]["execution_id"] == document["execution_id"]
    assert "sandbox    1 NETWORK_ACCESS_ATTEMPT\n" in buddy("status").stdout


def test_status_counts_what_runs_tried_too(folder: Path) -> None:
    runs.run(folder, runs.plan({"steal": FOUR_AGENTS["steal"]}))
    with_log = json.loads(buddy("status", "--json").stdout)["sandbox_violations"]
    assert with_log["executions"] == 1


def test_the_doctor_agrees_with_the_sandbox() -> None:
    done = buddy("sandbox", "doctor", "--json")
    document = json.loads(done.stdout)
    with Sandbox(workers=1) as box:
        assert document["capabilities"]["isolation"] == box.isolation.value
    assert done.returncode == 0
    assert document["capabilities"]["canaries"]
    full = buddy("sandbox", "doctor", "--require", "full")
    assert full.returncode == (0 if document["capabilities"]["isolation"] == "full" else 1)
    assert f"isolation: {document['capabilities']['isolation']}" in full.stdout


def test_a_container_is_told_to_be_one_and_is_refused_where_that_is_not_enough() -> None:
    container = "unshare=EPERM,mount=EPERM"
    ran = buddy("sandbox", "run", "-", given="6 * 7", denied=container)
    assert (ran.returncode, ran.stdout) == (0, "42\n")
    assert "isolation standard" in ran.stderr
    refused = buddy("sandbox", "run", "-", "--require", "full", given="6 * 7", denied=container)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "full isolation needs namespaces" in refused.stderr
    doctor = buddy("sandbox", "doctor", "--require", "full", denied=container)
    assert doctor.returncode == 1
    assert "isolation: standard" in doctor.stdout
    assert "sysctl" in doctor.stdout


def test_a_machine_that_cannot_hold_code_runs_none_and_a_plan_goes_on_without(folder: Path) -> None:
    old_kernel = "landlock_create_ruleset=ENOSYS"
    doctor = buddy("sandbox", "doctor", denied=old_kernel)
    assert doctor.returncode == 1
    assert "isolation: none; no code is run here" in doctor.stdout
    document = runs.plan({"sum": FOUR_AGENTS["sum"], "note": FOUR_AGENTS["note"]}, on_failure="continue")
    document["steps"]["sum"]["group"] = "reader"
    (folder / "plan.json").write_text(json.dumps(document))
    ran = buddy(
        "run", "plan.json", "--tools", runs.TOOLS, "--mode", "live", "--out", "out", denied=old_kernel
    )
    assert ran.returncode == 1
    assert "NoSandbox: the sandbox cannot be had here, so nothing ran: Landlock is needed" in told(
        folder / "out", "sum"
    )
    assert (folder / "some" / "put").read_text() == "k 1\n"
