import asyncio
import contextvars
import os
import subprocess
import sys
import threading
import time

import pytest

from buddy.adapters.tools import threads

whose: contextvars.ContextVar[str] = contextvars.ContextVar("whose", default="nobody")


def test_the_loop_goes_on_while_a_thread_blocks() -> None:
    async def main() -> tuple[str, int]:
        gate = threading.Event()
        waiting = threads.run(lambda: gate.wait(5) and "done")
        turns = 0
        for _ in range(20):
            await asyncio.sleep(0)
            turns += 1
        gate.set()
        return await waiting, turns

    assert asyncio.run(main()) == ("done", 20)


def test_threads_are_reused_and_grow_with_what_waits() -> None:
    async def main() -> tuple[int, int]:
        one_after_another = {await threads.run(threading.get_ident) for _ in range(20)}
        gate = threading.Barrier(8)
        side_by_side = await asyncio.gather(
            *(threads.run(lambda: (gate.wait(5), threading.get_ident())) for _ in range(8))
        )
        return len(one_after_another), len({ident for _, ident in side_by_side})

    assert asyncio.run(main()) == (1, 8)


def test_idle_threads_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> threading.Thread:
        return await threads.run(threading.current_thread)

    threads._idle.clear()
    monkeypatch.setattr(threads, "IDLE_S", 0.01)
    worker = asyncio.run(main())
    worker.join(5)
    assert not worker.is_alive()
    assert not threads._idle
    assert asyncio.run(main()) is not worker


def test_a_thread_that_gives_up_as_it_is_chosen_still_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> int:
        return await asyncio.wait_for(threads.run(threading.get_ident), 5)

    threads._idle.clear()
    monkeypatch.setattr(threads, "IDLE_S", 0.01)
    asyncio.run(main())
    chosen = threads._idle.pop()
    time.sleep(0.05)
    threads._idle.append(chosen)
    assert asyncio.run(main()) > 0


def test_context_variables_are_copied() -> None:
    def look() -> str:
        seen = whose.get()
        whose.set("the thread")
        return seen

    async def main() -> tuple[str, str]:
        whose.set("the task")
        return await threads.run(look), whose.get()

    assert asyncio.run(main()) == ("the task", "the task")


@pytest.mark.parametrize(
    ("error", "told", "message"),
    [
        (ValueError("bad"), ValueError, "bad"),
        (StopIteration(3), RuntimeError, "the handler raised StopIteration: 3"),
        (SystemExit(2), RuntimeError, "the handler raised SystemExit: 2"),
        (asyncio.CancelledError(), RuntimeError, "the handler raised CancelledError: "),
    ],
)
def test_whatever_is_raised_reaches_the_caller(
    error: BaseException, told: type[Exception], message: str
) -> None:
    def fail() -> None:
        raise error

    async def main() -> None:
        await threads.run(fail)

    with pytest.raises(told, match=f"^{message}$"):
        asyncio.run(main())


def test_a_cancelled_wait_leaves_the_thread_to_finish() -> None:
    done: list[str] = []

    async def main() -> None:
        begun, gate = threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            gate.wait(5)
            done.append("finished")

        waiting = threads.run(work)
        begun.wait(5)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        gate.set()
        assert await threads.run(lambda: "others go on") == "others go on"

    asyncio.run(main())
    for _ in range(500):
        if done:
            break
        time.sleep(0.01)
    assert done == ["finished"]


def test_a_task_that_outlives_its_deadline_still_tells_its_result() -> None:
    async def main() -> tuple[bool, str]:
        gate = threading.Event()

        async def live() -> str:
            await threads.run(lambda: gate.wait(5))
            return "late"

        task = asyncio.create_task(live())
        done, _ = await asyncio.wait({task}, timeout=0.01)
        gate.set()
        return bool(done), await task

    assert asyncio.run(main()) == (False, "late")


def test_a_result_for_a_closed_loop_is_dropped() -> None:
    gate, seen = threading.Event(), []

    async def main() -> None:
        threads.run(lambda: (gate.wait(5), seen.append(threading.current_thread())))

    asyncio.run(main())
    gate.set()
    while not seen:
        time.sleep(0.001)

    async def again() -> int:
        return sum([await threads.run(lambda: 1) for _ in range(5)])

    assert asyncio.run(again()) == 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_starts_its_own_threads() -> None:
    async def main() -> int:
        return await asyncio.wait_for(threads.run(lambda: 7), 5)

    asyncio.run(main())
    child = os.fork()
    if not child:
        os._exit(asyncio.run(main()))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


SLEEPER = """
import asyncio, time
from buddy import CallContext, Mode, tool

@tool(permissions={"x"})
def slow() -> str:
    print("begun", flush=True)
    time.sleep(60)
    return "never"

async def main():
    ctx = CallContext(
        mode=Mode.LIVE, run_id="r", step_id="s", agent="a", attempt=1, deadline=0.0, idempotency_key="k"
    )
    await asyncio.wait({asyncio.create_task(slow.live({}, ctx))}, timeout=0.3)
    print("deadline passed", flush=True)

asyncio.run(main())
"""


def test_a_tool_that_hangs_past_its_deadline_does_not_keep_the_process_from_ending() -> None:
    begun = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", SLEEPER], capture_output=True, text=True, timeout=30
    )
    assert time.monotonic() - begun < 20
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "begun\ndeadline passed\n", "")
