"""The sandbox as its callers see it: values, errors, limits, many at once, and its own failures."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from buddy.adapters.sandbox import Sandbox, capabilities
from buddy.adapters.sandbox import sandbox as face
from buddy.errors import BadInput, SandboxUnavailable
from buddy.model.sandbox import (
    Isolation,
    KilledBy,
    Layer,
    SandboxPolicy,
    SandboxResult,
    Scratch,
    ViolationType,
)

BARE = SandboxPolicy(
    imports=("os", "sys", "time", "signal", "shutil", "tempfile", "socket"),
    check=False,
    facades=False,
    max_output_bytes=10_000,
    max_result_bytes=10_000,
)
"""No friendly layer: what is seen here is the kernel's and the supervisor's doing."""


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as one:
        yield one


@pytest.fixture(scope="module")
def bare() -> Iterator[Sandbox]:
    with Sandbox(BARE) as one:
        yield one


def types(result: SandboxResult) -> list[ViolationType]:
    return [violation.type for violation in result.violations]


# what comes back


def test_the_last_expression_is_the_value(box: Sandbox) -> None:
    result = box.execute("print('hi')\nx = 20\n{'sum': x + 1, 'of': [1, None, 'é']}")
    assert (result.ok, result.value, result.stdout) == (True, {"sum": 21, "of": [1, None, "é"]}, "hi\n")
    assert result.error is None
    assert result.violations == ()
    assert result.killed_by is None
    assert result.isolation is box.isolation
    assert 0 < result.usage.cpu_s < 1
    assert 1 < result.usage.memory_mb < 200


def test_code_without_an_expression_at_its_end_has_no_value(box: Sandbox) -> None:
    assert box.execute("x = 1").value is None
    assert box.execute("").ok


def test_inputs_are_variables(box: Sandbox) -> None:
    assert box.execute("a['b'] * n", {"a": {"b": "xy"}, "n": 2}).value == "xyxy"
    assert box.execute("_a + 1", {"_a": 2}).value == 3


def test_large_inputs_and_values_go_through(box: Sandbox) -> None:
    text = "é" * 200_000
    result = box.execute("text[::-1]", {"text": text})
    assert (result.ok, result.value) == (True, text)


def test_an_error_of_the_code_has_its_line(box: Sandbox) -> None:
    result = box.execute("x = 1\n\ndef f():\n    return x / 0\n\nf()")
    assert not result.ok
    assert result.error is not None
    assert (result.error.type, result.error.line) == ("ZeroDivisionError", 4)
    assert "line 6" in result.error.traceback
    assert "buddy" not in result.error.traceback
    assert result.violations == ()


def test_code_that_is_not_python_is_an_error_of_the_code(box: Sandbox) -> None:
    result = box.execute("x =\n")
    assert result.error is not None
    assert (result.error.type, result.error.line) == ("SyntaxError", 1)


def test_nothing_stays_for_the_next(bare: Sandbox) -> None:
    bare.execute("import os, builtins\nos.environ['X'] = '1'\nbuiltins.len = None\nglobals()['y'] = 1")
    assert bare.execute("import os\n['y' in globals(), 'X' in os.environ, len('abc')]").value == [
        False,
        False,
        3,
    ]


# limits


def test_the_deadline_ends_what_does_not_end(bare: Sandbox) -> None:
    ignore = "import signal, time\nfor one in (1, 2): signal.signal(one, signal.SIG_IGN)\n"
    deaf = f"{ignore}while True: time.sleep(9)"
    for hang in (deaf, "while True: pass", "import re\nre.match(r'(a+)+$', 'a' * 64 + 'b')"):
        started = time.monotonic()
        result = bare.execute(hang, timeout_s=0.3)
        assert time.monotonic() - started < 1.5
        assert result.killed_by is KilledBy.TIMEOUT
        assert types(result) == [ViolationType.TIMEOUT]
        assert result.violations[0].authoritative


def test_what_was_printed_before_a_limit_is_there(box: Sandbox) -> None:
    for end in ("while True: pass", "10 ** 10 ** 9", "x = [0]\nwhile True: x += x"):
        result = box.execute(f"print('one')\nprint('two')\n{end}", timeout_s=0.5)
        assert result.killed_by is not None, end
        assert result.stdout == "one\ntwo\n", end


def test_memory_ends(bare: Sandbox) -> None:
    result = bare.execute("x = bytearray(10 ** 10)")
    assert (result.ok, result.killed_by) == (False, KilledBy.MEMORY)
    assert types(result) == [ViolationType.RESOURCE_LIMIT]


def test_the_least_memory_is_enough_to_say_so() -> None:
    with Sandbox(SandboxPolicy(memory_mb=4), workers=1) as one:
        assert one.execute("sum(range(1000))").value == 499_500
        assert one.execute("x = [0] * 10_000_000").killed_by is KilledBy.MEMORY


def test_output_ends(bare: Sandbox) -> None:
    for flood in ("while True: print('x' * 100)", "import os\nwhile True: os.write(2, b'x' * 5000)"):
        result = bare.execute(flood)
        assert (result.killed_by, len(result.stdout)) == (KilledBy.OUTPUT, 10_000)


def test_a_value_ends(bare: Sandbox) -> None:
    result = bare.execute("'x' * 20_000")
    assert (result.ok, result.value, result.killed_by) == (False, None, KilledBy.RESULT)
    flood = bare.execute("import os\nwhile True: os.write(3, b'x' * 5000)")
    assert flood.killed_by is KilledBy.RESULT
    assert any(one.authoritative for one in flood.violations)


def test_processor_time_ends() -> None:
    with Sandbox(msgspec.structs.replace(BARE, cpu_s=1), workers=1) as one:
        hang = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
        for code in ("while True: pass", hang):
            assert one.execute(code, timeout_s=40).killed_by is KilledBy.CPU


def test_denied_calls_end(bare: Sandbox) -> None:
    code = "import os\nwhile True:\n    try: os.mkdir('x')\n    except OSError: pass"
    result = bare.execute(code)
    assert result.killed_by is KilledBy.VIOLATIONS
    first = result.violations[0]
    assert (first.type, first.count, first.path, first.syscall) == (
        ViolationType.FILESYSTEM_ATTEMPT,
        100,
        "x",
        "mkdir" if os.uname().machine == "x86_64" else "mkdirat",
    )


def test_a_crash_is_one(bare: Sandbox) -> None:
    result = bare.execute("import ctypes\nctypes.string_at(0)")
    assert (result.ok, result.killed_by) == (False, KilledBy.CRASH)
    assert "SIGSEGV" in result.violations[-1].details


def test_an_end_without_a_result_is_an_error(bare: Sandbox) -> None:
    result = bare.execute("import os\nos._exit(0)")
    assert not result.ok
    assert result.error is not None
    assert result.error.type == "NoResult"


@pytest.mark.parametrize(
    "forged",
    [
        'b\'{"report": {"value": "forged"}}\\n\'',
        'b\'{"report": {"value": "forged", "held": true}}\\n{"report": {}}\\n\'',
        "b'\\x00garbage\\n'",
        "b'[' * 5000 + b'\\n'",
        "b'\\n' * 9_000 + b'x'",
    ],
)
def test_a_forged_result_hides_nothing(bare: Sandbox, forged: str) -> None:
    code = f"import os\ntry: open('/etc/passwd')\nexcept OSError: pass\nos.write(3, {forged})"
    result = bare.execute(code)
    assert not result.ok
    assert types(result) == [ViolationType.FILESYSTEM_ATTEMPT, ViolationType.SYSCALL_DENIED]
    assert all(one.authoritative for one in result.violations)


def test_what_the_code_may_not_do_is_the_kernels_word(bare: Sandbox) -> None:
    for code, kind in {
        "import socket\nsocket.socket()": ViolationType.NETWORK_ACCESS_ATTEMPT,
        "import os\nos.fork()": ViolationType.SUBPROCESS_ATTEMPT,
        "import os\nos.kill(os.getppid(), 9)": ViolationType.SYSCALL_DENIED,
        "open('/etc/passwd')": ViolationType.FILESYSTEM_ATTEMPT,
    }.items():
        result = bare.execute(code)
        assert types(result) == [kind]
        assert (result.violations[0].layer, result.violations[0].authoritative) == (Layer.KERNEL, True)


# a private folder


@pytest.fixture(scope="module")
def folder() -> Iterator[Sandbox]:
    policy = msgspec.structs.replace(BARE, scratch=Scratch(size_mb=1, files=8))
    with Sandbox(policy, require="full") as one:
        yield one


def test_a_private_folder_holds_files_for_one_execution(folder: Sandbox) -> None:
    code = """
import os, shutil, tempfile
os.makedirs('a/b'); os.chdir('a')
with open('../x', 'w') as file: file.write('hi')
with tempfile.NamedTemporaryFile() as file: where = os.path.dirname(file.name)
shutil.rmtree('/tmp/a')
[where, open('/tmp/x').read(), os.listdir('/tmp')]
"""
    result = folder.execute(code)
    assert (result.value, result.violations) == (["/tmp", "hi", ["x"]], ())
    assert folder.execute("import os\nos.listdir('/tmp')").value == []


def test_no_lock_stays_for_the_next() -> None:
    policy = msgspec.structs.replace(BARE, imports=("fcntl",), scratch=Scratch())
    with Sandbox(policy, require="full", workers=2) as box:
        for number in (0, 0, 1, 1, 2, 2, 3, 3):  # workers take turns
            result = box.execute(f"import fcntl\nfcntl.flock({number}, fcntl.LOCK_EX | fcntl.LOCK_NB)")
            assert (result.ok, number) == (True, number)


@pytest.mark.parametrize(
    "code",
    ["open('x', 'wb').write(b'x' * 2_000_000)", "for one in range(20): open(str(one), 'w').close()"],
)
def test_a_private_folder_ends(folder: Sandbox, code: str) -> None:
    result = folder.execute(code)
    assert result.killed_by is KilledBy.DISK


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd')",
        "open('../etc/passwd')",
        "import os\nos.stat('/etc/passwd')",
        "import os\nos.listdir('/')",
        "import os\nos.chdir('/')",
        "import os\nos.symlink('/etc/passwd', 'x')",
        "import os\nos.link('/canary', 'x')",
        "import os\nos.mkfifo('x')",
        "import os\nopen('x', 'w').close()\nos.chmod('x', 0o4777)",
        "import os\nopen('x', 'w').close()\nos.rename('x', '/x')",
        "import os\nos.open('/proc/self/environ', os.O_RDONLY)",
    ],
)
def test_nothing_else_is_in_reach(folder: Sandbox, code: str) -> None:
    result = folder.execute(code)
    assert types(result) == [ViolationType.FILESYSTEM_ATTEMPT]
    assert result.error is not None
    assert result.error.type == "PermissionError"


# many at once, and its own failures


def test_many_run_at_once(box: Sandbox) -> None:
    async def all_of_them() -> list[SandboxResult]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(box.aexecute("n * n", {"n": n})) for n in range(50)]
        return [task.result() for task in tasks]

    assert [result.value for result in asyncio.run(all_of_them())] == [n * n for n in range(50)]


def test_a_cancelled_caller_kills_the_code(bare: Sandbox) -> None:
    async def hang() -> float:
        task = asyncio.create_task(bare.aexecute("while True: pass", timeout_s=30))
        await asyncio.sleep(0.2)
        task.cancel()
        started = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - started

    assert asyncio.run(hang()) < 1.0
    assert bare.execute("1").value == 1


def test_a_zygote_is_replaced_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face, "RECYCLED_AFTER", 20)
    with Sandbox(workers=1) as one:
        first = one._workers[0].pid
        until = time.monotonic() + 20
        while one._workers[0].pid == first and time.monotonic() < until:
            assert one.execute("1 + 1").value == 2
        assert one._workers[0].pid != first
        assert not Path(f"/proc/{first}").exists()


def test_a_zygote_that_dies_is_replaced() -> None:
    with Sandbox(workers=1) as one:
        threading.Timer(0.3, os.kill, (one._workers[0].pid, signal.SIGKILL)).start()
        with pytest.raises(SandboxUnavailable):
            one.execute("while True: pass", timeout_s=10)
        assert one.execute("1 + 1").value == 2


def test_what_runs_ends_with_the_sandbox() -> None:
    one = Sandbox(BARE, workers=1)
    threading.Timer(0.3, one.close).start()
    with pytest.raises(SandboxUnavailable):
        one.execute("while True: pass", timeout_s=10)
    with pytest.raises(SandboxUnavailable, match="closed"):
        one.execute("1")


def test_a_sandbox_leaves_nothing_behind() -> None:
    before = set(os.listdir("/proc/self/fd"))
    with Sandbox() as one:
        for code in ("1", "while True: pass"):
            one.execute(code, timeout_s=0.1)
        pids = [worker.pid for worker in one._workers]
    assert set(os.listdir("/proc/self/fd")) <= before
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_full_isolation_is_in_other_namespaces() -> None:
    with Sandbox(BARE, workers=1) as one:
        if one.isolation is not Isolation.FULL:
            pytest.skip("this machine has no namespaces to give")
        zygote = int(
            Path(f"/proc/{one._workers[0].pid}/task/{one._workers[0].pid}/children").read_text("ascii")
        )
        for kind in ("net", "pid", "mnt", "ipc", "uts", "cgroup"):
            assert os.readlink(f"/proc/{zygote}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
        assert os.listdir(f"/proc/{zygote}/root") == ["canary", "tmp"]


# what cannot be used


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"code": b"1"}, "code: expected a str, found bytes"),
        ({"code": "1", "inputs": {"a b": 1}}, "inputs: expected names that code can use, found 'a b'"),
        (
            {"code": "1", "inputs": {"__name__": 1}},
            "inputs: expected names that code can use, found '__name__'",
        ),
        ({"code": "1", "inputs": {"if": 1}}, "found 'if'"),
        ({"code": "1", "inputs": {"a": {1, 2}}}, "inputs: expected what JSON can hold"),
        ({"code": "1", "inputs": {"a": float("nan")}}, "inputs: expected what JSON can hold"),
        ({"code": "1", "timeout_s": 0}, "timeout_s: expected above 0"),
        ({"code": "1", "timeout_s": "5"}, "timeout_s: expected above 0 and at most 3600, found '5'"),
        ({"code": "1", "inputs": [1]}, "inputs: expected a mapping, found list"),
        ({"code": "1", "timeout_s": 1e9}, "timeout_s: expected above 0 and at most 3600"),
        ({"code": "x" * 20_000_000}, "code and inputs: expected at most 16,777,216 bytes"),
    ],
)
def test_arguments_that_cannot_be_used(box: Sandbox, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        box.execute(**arguments)  # type: ignore[arg-type]


def test_settings_that_cannot_be_used() -> None:
    with pytest.raises(BadInput, match="policy: expected spec, extended or a SandboxPolicy, found 'x'"):
        Sandbox("x")
    with pytest.raises(BadInput, match=r"policy: expected spec, extended or a SandboxPolicy, found \{\}"):
        Sandbox({})  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="policy: memory_mb: expected `int` >= 4"):
        Sandbox(SandboxPolicy(memory_mb=0))
    with pytest.raises(BadInput, match=r"policy: scratch\.size_mb: expected `int` >= 1"):
        Sandbox(SandboxPolicy(scratch=Scratch(size_mb=0)))
    with pytest.raises(BadInput, match="policy: imports: expected `array`, found `str`"):
        Sandbox(SandboxPolicy(imports="math"))  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="workers: expected 1 or more, found 0"):
        Sandbox(workers=0)
    with pytest.raises(BadInput, match="require: expected full or standard, found 'some'"):
        Sandbox(require="some")  # type: ignore[arg-type]
    with pytest.raises(SandboxUnavailable, match="no_such_module"):
        Sandbox(SandboxPolicy(imports=("no_such_module",)))


def test_another_system_has_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(SandboxUnavailable, match="Linux is needed, and this is darwin"):
        Sandbox()
    assert capabilities().missing == ("Linux is needed, and this is darwin",)
