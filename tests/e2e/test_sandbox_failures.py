"""What the sandbox does where its own parts or its machine fail: it refuses with one error, or goes on."""

import asyncio
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from buddy.adapters.sandbox import Sandbox, seal
from buddy.adapters.sandbox import sandbox as face
from buddy.adapters.sandbox.kernel import limits
from buddy.adapters.sandbox.settings import Settings
from buddy.errors import SandboxUnavailable
from buddy.model.sandbox import Isolation, SandboxPolicy, SandboxResult, Scratch

OUTER = Path(__file__).parent.parent / "sandbox" / "outer.py"
HANG = "while True: pass"


def full(policy: SandboxPolicy | str = "spec") -> Sandbox:
    """A sandbox of one worker with full isolation, where the machine has that to give."""
    try:
        return Sandbox(policy, workers=1, require="full")
    except SandboxUnavailable as problem:
        pytest.skip(f"this machine has no full isolation: {problem.missing}")


def end(box: Sandbox) -> None:
    """Kill the zygote of a sandbox, and wait until what it has borne is gone too."""
    outer = box._workers[0].pid
    inner = Path(f"/proc/{outer}/task/{outer}/children").read_text("ascii").split()
    os.kill(outer, signal.SIGKILL)
    until = time.monotonic() + 10
    while any(_lives(pid) for pid in inner) and time.monotonic() < until:
        time.sleep(0.01)


def _lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def descriptors(more: int) -> Iterator[None]:
    """Let this process open so many more descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("scratch", [None, Scratch()], ids=["no folder", "folder"])
def test_a_replaced_zygote_holds_no_less(
    scratch: Scratch | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A machine where the limit of namespaces has been reached since the sandbox started.
    limited = tmp_path / "python"
    limited.write_text(f'#!/bin/sh\nexec {sys.executable} {OUTER} unshare=ENOSPC {sys.executable} "$@"\n')
    limited.chmod(0o755)
    policy = SandboxPolicy(imports=("os",), check=False, facades=False, scratch=scratch)
    with full(policy) as box:
        with monkeypatch.context() as patched:
            patched.setattr(sys, "executable", str(limited))
            end(box)
            refused: list[str] = []
            for _ in range(3):
                with pytest.raises(SandboxUnavailable) as problem:
                    box.execute("import os\nos.listdir('/tmp')")
                refused += problem.value.missing
            assert "isolation was full and would be no more: unshare: No space left on device" in refused
        result = box.execute("6 * 7")
        assert (result.value, result.isolation) == (42, Isolation.FULL)


def test_a_private_folder_is_never_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "restrict", lambda *_: pytest.fail("the next step was taken"))
    prepared = seal.Prepared(Settings(scratch_bytes=1 << 20, scratch_files=8), False, 0, -1, {})
    with pytest.raises(PermissionError, match="a private folder needs namespaces"):
        seal.seal(prepared, frozenset())


def test_zygotes_that_cannot_start_spoil_no_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(workers=1) as box:
        with monkeypatch.context() as patched:
            patched.setattr(sys, "executable", "/bin/false")
            end(box)
            for _ in range(3):
                with pytest.raises(SandboxUnavailable):
                    box.execute("1")
            patched.setattr(sys, "executable", "/no/such/program")
            with pytest.raises(SandboxUnavailable, match=r"a zygote cannot be started: .*No such file"):
                box.execute("1")
        assert box.execute("1").value == 1


def test_descriptors_that_run_out_are_told_and_none_is_lost() -> None:
    with Sandbox(workers=1) as box:
        before = len(os.listdir("/proc/self/fd"))
        for more in range(7):
            with descriptors(more), pytest.raises(SandboxUnavailable) as problem:
                box.execute("1")
            assert "open" in problem.value.missing[0]  # too many open files, or open no more descriptors
        assert box.execute("1").value == 1
        assert len(os.listdir("/proc/self/fd")) == before


def test_high_descriptors_do_not_stop_a_zygote_from_being_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face, "RECYCLED_AFTER", 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1500:
        pytest.skip("this process may not open so many")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1500), hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with Sandbox(workers=1) as box:
            assert [box.execute("1").value for _ in range(5)] == [1] * 5
    finally:
        for one in opened:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who_waits_for_a_turn_is_told_that_it_is_closed() -> None:
    async def wait(box: Sandbox) -> list[SandboxResult | BaseException]:
        tasks = [asyncio.create_task(box.aexecute(HANG)) for _ in range(4)]
        await asyncio.sleep(0.1)
        await asyncio.to_thread(box.close)
        return await asyncio.gather(*tasks, box.aexecute("1"), return_exceptions=True)

    said = asyncio.run(wait(Sandbox(workers=1)))
    assert [type(one) for one in said] == [SandboxUnavailable] * 5


def test_a_caller_that_is_cancelled_while_it_waits_for_a_turn_does_not_wait_on() -> None:
    async def wait(box: Sandbox) -> float:
        first = asyncio.create_task(box.aexecute(HANG, timeout_s=1.0))
        second = asyncio.create_task(box.aexecute("1"))
        await asyncio.sleep(0.1)
        second.cancel()
        started = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await second
        took = time.monotonic() - started
        assert not first.done()
        await first
        return took

    with Sandbox(workers=1) as box:
        assert asyncio.run(wait(box)) < 0.5


@pytest.mark.parametrize("scratch", [None, Scratch()], ids=["no folder", "folder"])
def test_code_gives_no_descriptor_away(scratch: Scratch | None) -> None:
    # Those under way count against all processes of a user: enough of them kept others from being sealed.
    policy = SandboxPolicy(imports=("ctypes", "fcntl", "os"), check=False, facades=False, scratch=scratch)
    code = """
import ctypes, fcntl, os
sent = [ctypes.CDLL(None).sendmsg(number, ctypes.create_string_buffer(56), 0) for number in (3, 256)]
for dup in (lambda: fcntl.fcntl(3, fcntl.F_DUPFD_CLOEXEC, 256), lambda: os.dup2(3, 256)):
    try: sent.append(dup())
    except OSError: pass
sent
"""
    with full(policy) as box:
        result = box.execute(code)
    assert result.value == [-1, -1]
    assert result.violations[0].syscall == "sendmsg"


def test_a_machine_that_gives_too_few_descriptors_says_so() -> None:
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200));"
        "from buddy.adapters.sandbox import capabilities; print(capabilities().missing)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert "257 descriptors are needed (ulimit -Hn), and there are 200" in said.stdout


def test_a_zygote_that_can_start_no_process_takes_nothing_with_it() -> None:
    with Sandbox(workers=1) as box:
        outer = box._workers[0].pid
        inner = Path(f"/proc/{outer}/task/{outer}/children").read_text("ascii").split()
        select.select([box._workers[0]._control], [], [], 10)  # until it has borne one
        zygote = int(inner[0]) if box.isolation is Isolation.FULL else outer
        try:
            resource.prlimit(zygote, resource.RLIMIT_NOFILE, (6, 6))
        except PermissionError:
            pytest.skip("this user may not bound another process")
        slow = "import time\ntime.sleep(0.2)\n6 * 7"
        assert [box.execute(slow).value for _ in range(3)] == [42] * 3
        assert box._workers[0].pid != outer
