"""What the sandbox does where its own parts or its machine fail: it refuses with one error, or goes on."""

import asyncio
import os
import resource
import signal
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
            os.kill(box._workers[0].pid, signal.SIGKILL)
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
            os.kill(box._workers[0].pid, signal.SIGKILL)
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
