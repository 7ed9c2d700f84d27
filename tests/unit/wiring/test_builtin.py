"""The tool `python.execute` on a sandbox that is made of Python."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from buddy.adapters.tools.catalogue import load
from buddy.core import catalogue, references
from buddy.errors import BadInput, CodeFailed, CodeViolation, InvalidArguments, SandboxUnavailable
from buddy.model.config import ExecutionConfig, SandboxSettings
from buddy.model.mode import Mode
from buddy.model.sandbox import (
    CodeError,
    Isolation,
    KilledBy,
    Layer,
    SandboxPolicy,
    SandboxResult,
    Usage,
    Violation,
    ViolationType,
)
from buddy.model.violations import NAME
from buddy.ports import CallContext
from buddy.wiring.builtin import (
    EXECUTE,
    LOOKED_AT,
    NoSandbox,
    Sandboxes,
    python_execute,
    tools,
    with_policy_placed,
)
from buddy.wiring.offered import offered

RUN = "run_1"


def context(mode: Mode = Mode.DRY_RUN) -> CallContext:
    return CallContext(
        mode=mode, run_id=RUN, step_id="s", agent="a", attempt=1, deadline=0.0, idempotency_key="k" * 32
    )


def answer(**fields: Any) -> SandboxResult:
    base: dict[str, Any] = {
        "execution_id": "ex_1",
        "ok": not fields,
        "value": 3,
        "stdout": "hello\n",
        "error": None,
        "violations": (),
        "usage": Usage(wall_s=0.5),
        "killed_by": None,
        "isolation": Isolation.FULL,
    }
    return SandboxResult(**base | fields)


class Box:
    """A sandbox that gives one answer, or raises one error."""

    def __init__(self, gives: SandboxResult | Exception) -> None:
        self.gives = gives
        self.calls: list[tuple[Any, ...]] = []
        self.closed = 0

    async def aexecute(
        self, code: str, inputs: dict[str, Any] | None = None, timeout_s: float | None = None
    ) -> SandboxResult:
        self.calls.append((code, inputs, timeout_s))
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives

    def close(self) -> None:
        self.closed += 1


class Bench:
    """A run with the tool, and how often a sandbox was started for it."""

    def __init__(self, folder: Path, gives: SandboxResult | Exception | None = None, **settings: Any) -> None:
        self.box = Box(answer() if gives is None else gives)
        self.started: list[tuple[SandboxPolicy, SandboxSettings, Path]] = []
        self.refuses: Exception | None = None
        self.sandboxes = Sandboxes(SandboxSettings(**settings), self.start)
        self.sandboxes.expect(RUN, folder)
        self.tool = load(builtin=[python_execute(self.sandboxes)]).toolbox.get(EXECUTE)

    def start(self, policy: SandboxPolicy, settings: SandboxSettings, log: Path) -> Box:
        self.started.append((policy, settings, log))
        if self.refuses is not None:
            raise self.refuses
        return self.box

    def live(self, **args: Any) -> Any:
        assert self.tool is not None
        return asyncio.run(self.tool.live({"code": "1 + 2", **args}, context()))

    def mock(self, **args: Any) -> Any:
        assert self.tool is not None
        return asyncio.run(self.tool.mock(args, context(Mode.MOCK)))


def test_a_call_is_run_and_its_result_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    result = bench.live(inputs={"n": 1}, timeout_s=2)
    assert bench.box.calls == [("1 + 2", {"n": 1}, 2)]
    assert (result["value"], result["stdout"], result["isolation"]) == (3, "hello\n", "full")
    assert bench.tool is not None
    assert bench.tool.check_result(result) == ""
    assert bench.live() == result
    assert bench.box.calls[-1] == ("1 + 2", None, 5.0)


def test_a_call_that_names_no_time_has_that_of_the_setting_or_of_the_policy(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("timeout_s = 2\n")
    policy = str(tmp_path / "p.toml")
    for settings, seconds in (
        ({}, 5.0),
        ({"policy": policy}, 2.0),
        ({"policy": policy, "timeout_s": 3.0}, 3.0),
    ):
        bench = Bench(tmp_path, **settings)
        bench.live()
        assert bench.box.calls == [("1 + 2", None, seconds)]


def test_a_sandbox_is_started_by_the_first_call_and_closed_with_the_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path, policy="extended", workers=3)
    bench.mock(code="1")
    assert bench.started == []
    bench.live()
    bench.live()
    [(policy, settings, log)] = bench.started
    assert (policy.name, settings.workers, log) == ("extended", 3, tmp_path / NAME)
    bench.sandboxes.close(RUN)
    bench.sandboxes.close(RUN)
    assert bench.box.closed == 1


def test_calls_at_once_share_one_sandbox(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    async def many() -> None:
        assert bench.tool is not None
        await asyncio.gather(*(bench.tool.live({"code": "1"}, context()) for _ in range(20)))

    asyncio.run(many())
    assert len(bench.started) == 1
    assert len(bench.box.calls) == 20


def test_a_sandbox_whose_start_outlives_its_call_is_closed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    go, begun = threading.Event(), threading.Event()

    def slow(policy: SandboxPolicy, settings: SandboxSettings, log: Path) -> Box:
        begun.set()
        assert go.wait(10)
        return bench.box

    bench.sandboxes = Sandboxes(SandboxSettings(), slow)
    bench.sandboxes.expect(RUN, tmp_path)

    async def cancelled() -> None:
        call = asyncio.create_task(bench.sandboxes.execute(RUN, "1", None, None))
        await asyncio.to_thread(begun.wait, 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        threading.Timer(0.05, go.set).start()
        bench.sandboxes.close(RUN)

    asyncio.run(cancelled())
    assert bench.box.closed == 1
    assert bench.box.calls == []


VIOLATION = Violation(
    type=ViolationType.SUBPROCESS_ATTEMPT,
    details="it tried to start a process",
    layer=Layer.KERNEL,
    authoritative=True,
    line=4,
    syscall="clone",
)


@pytest.mark.parametrize(
    ("gives", "kind", "sentence"),
    [
        (
            answer(violations=(VIOLATION,)),
            CodeViolation,
            "SUBPROCESS_ATTEMPT on line 4: it tried to start a process (system call clone, noticed by the"
            " kernel layer); ex_1 in sandbox_violation_log.jsonl",
        ),
        (
            answer(error=CodeError(type="KeyError", message="'a'", line=2)),
            CodeFailed,
            "the code failed: line 2: KeyError: 'a'",
        ),
        (
            answer(killed_by=KilledBy.TIMEOUT),
            CodeFailed,
            "the code failed: it ran for longer than it may (timeout after 0.50 s)",
        ),
        (
            answer(stdout=f"{'a' * 900}b\x1b[2J\n", error=CodeError(type="E", message="")),
            CodeFailed,
            f"the code failed: E; it printed last '{'a' * 195}b\\x1b[2J'",
        ),
        (BadInput("inputs: expected JSON, found a set"), InvalidArguments, "inputs: expected JSON"),
    ],
)
def test_code_at_fault_fails_the_call_and_not_the_tool(
    gives: Any, kind: type[InvalidArguments], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArguments) as caught:
        Bench(tmp_path, gives).live()
    assert type(caught.value) is kind
    assert str(caught.value).startswith(sentence)
    assert not caught.value.retryable
    assert not caught.value.counts_against_tool


def test_a_call_may_not_ask_for_more_time_than_the_operator_allows(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_timeout_s=10.0)
    for attempt in (bench.live, bench.mock):
        with pytest.raises(InvalidArguments, match="/timeout_s: expected at most 10, the setting sandbox"):
            attempt(code="1", timeout_s=11)
    assert bench.box.calls == []


@pytest.mark.parametrize(
    ("refuses", "sentence"),
    [
        (SandboxUnavailable(["no seccomp", "no Landlock"]), "so nothing ran: no seccomp; no Landlock"),
        (BadInput("imports: no module named nonesuch"), "cannot be started: imports: no module"),
    ],
)
def test_where_no_sandbox_can_be_had_the_call_fails_and_says_so_each_time(
    refuses: Exception, sentence: str, tmp_path: Path
) -> None:
    bench = Bench(tmp_path)
    bench.refuses = refuses
    for _ in range(2):
        with pytest.raises(NoSandbox, match=sentence) as caught:
            bench.live()
        assert not caught.value.retryable
    assert len(bench.started) == 1
    bench.sandboxes.close(RUN)


def test_a_rehearsal_looks_at_the_code_and_logs_what_it_finds(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(CodeViolation, match=r"NETWORK_ACCESS_ATTEMPT on line 2: .*policy layer"):
        bench.mock(code="x = 1\nimport socket")
    [line] = (tmp_path / NAME).read_text().splitlines()
    assert f'"execution_id":"mock-{"k" * 16}"' in line
    assert bench.started == []


def test_a_rehearsal_refuses_an_input_that_code_could_not_use(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for name in ("a b", "class", "__name__"):
        with pytest.raises(InvalidArguments, match=f"expected names that code can use, found '{name}'"):
            bench.mock(code="1", inputs={name: 1})
    bench.mock(code="_a", inputs={"_a": 1})


def test_a_rehearsal_knows_nothing_of_the_result(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.mock(code="1") is references.UNKNOWN
    assert bench.mock(code=references.UNKNOWN) is references.UNKNOWN
    assert bench.mock(code="open + 1", inputs={"open": references.UNKNOWN}) is references.UNKNOWN
    assert bench.mock(code="open + 1", inputs=references.UNKNOWN) is references.UNKNOWN
    with pytest.raises(CodeViolation):
        bench.mock(code="import socket", inputs={"n": references.UNKNOWN})


def test_a_rehearsal_does_not_parse_large_code_and_refuses_what_no_policy_takes(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.mock(code="import socket\n" + "#" * LOOKED_AT) is references.UNKNOWN
    with pytest.raises(CodeViolation, match="RESOURCE_LIMIT"):
        bench.mock(code="#" * (256 * 1024 + 1))


def test_a_policy_without_a_check_rehearses_anything(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("check = false\n")
    assert Bench(tmp_path, policy=str(tmp_path / "p.toml")).mock(code="import socket") is references.UNKNOWN


def test_arguments_are_checked_as_the_contract_has_them(tmp_path: Path) -> None:
    tool = Bench(tmp_path).tool
    assert tool is not None
    assert tool.check({"code": "1", "inputs": {}, "timeout_s": 1}) == ""
    assert tool.check({}).startswith("/code: expected a value")
    assert tool.check({"code": "1", "timeout_s": 0}) == "/timeout_s: expected more than 0, found 0"
    assert tool.check({"code": "1", "inputs": []}) == "/inputs: expected object, found []"
    assert "timeout" in tool.check({"code": "1", "timeout": 1})


# the catalogue


def contract(files: list[str], given: list[Any] | None = None) -> Any:
    found = tools(files, ExecutionConfig(), given or ()).toolbox.get(EXECUTE)
    assert found is not None
    return found


def test_it_is_always_loaded_and_comes_last(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text("[tools.x]\nrisk = 'LOW'\nresources = ['x']\n")
    loaded = tools([str(tmp_path / "t.toml")], ExecutionConfig())
    names = list(loaded.toolbox.names())
    assert names[0] == "x"
    assert set(names[1:]) == loaded.builtin
    assert EXECUTE in loaded.builtin
    it = contract([]).contract
    assert (it.risk.value, it.effect.value, it.permissions) == ("LOW", "read", ())


def test_the_contracts_that_are_always_loaded_hold() -> None:
    own = [python_execute(Sandboxes(SandboxSettings())), *offered({})]
    assert len(own) > 20
    assert catalogue.validate([one.contract for one in own], {one.name: one.handlers for one in own})[0] == ()


def test_a_table_over_one_of_them_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(f'[tools."{EXECUTE}"]\ninput = {{ type = 7 }}\n')
    with pytest.raises(BadInput, match="input: expected a JSON Schema"):
        contract([str(tmp_path / "t.toml")])


def test_a_table_may_make_it_stricter(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(f'[tools."{EXECUTE}"]\nrisk = "HIGH"\npermissions = ["code"]\n')
    found = contract([str(tmp_path / "t.toml")])
    assert found.contract.risk.value == "HIGH"
    assert found.handlers == {"live", "mock"}
    found.check({"code": "1"})
    assert asyncio.run(found.mock({"code": "1"}, context(Mode.MOCK))) is references.UNKNOWN


def test_no_other_tool_may_take_its_name(tmp_path: Path) -> None:
    path = tmp_path / "t.py"
    path.write_text(
        f"from buddy import tool\n@tool(name='{EXECUTE}', effect='read')\ndef other(code: str): ...\n"
    )
    with pytest.raises(BadInput, match=f"Buddy itself: expected one tool {EXECUTE}, found another in .*t.py"):
        contract([str(path)])


def test_the_path_of_a_policy_is_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    placed: Callable[[str], str] = lambda chosen: (  # noqa: E731
        with_policy_placed(ExecutionConfig(sandbox=SandboxSettings(policy=chosen))).sandbox.policy
    )
    assert placed("extended") == "extended"
    assert placed("strict.toml") == str(tmp_path / "strict.toml")
