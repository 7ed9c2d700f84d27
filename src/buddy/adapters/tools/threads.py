"""Daemon threads for handlers that block: reused when idle, never waited for at exit.

`concurrent.futures` joins its threads when the interpreter ends, so one handler that hangs past its
deadline would keep the whole process from ending. These threads die with the process instead.
"""

import asyncio
import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any, NamedTuple

IDLE_S = 30.0
"""Seconds that a thread waits for its next job before it ends."""


class _Job(NamedTuple):
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    context: Context
    function: Callable[[], Any]


class _Worker:
    """One thread and the queue that feeds it."""

    __slots__ = ("jobs",)

    def __init__(self) -> None:
        self.jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="buddy-tool", daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                job = self.jobs.get(timeout=IDLE_S)
            except queue.Empty:
                try:
                    _idle.remove(self)
                except ValueError:  # taken by `run` this very moment: a job is on its way
                    continue
                return
            result, error = _attempt(job)
            loop, future = job.loop, job.future
            del job  # what the handler held must not live on in an idle thread
            _idle.append(self)
            with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                loop.call_soon_threadsafe(_deliver, future, result, error)
            del loop, future, result, error


_idle: deque[_Worker] = deque()
os.register_at_fork(after_in_child=_idle.clear)


def _attempt(job: _Job) -> tuple[Any, BaseException | None]:
    try:
        return job.context.run(job.function), None
    except BaseException as error:  # noqa: BLE001 (whatever it is, the waiting task has to be told)
        return None, error


def _deliver(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):
        future.set_exception(error)
    else:  # a future cannot carry these, and SystemExit would take the event loop down
        stray = RuntimeError(f"the handler raised {type(error).__name__}: {error}")
        stray.__cause__ = error
        future.set_exception(stray)


def run(function: Callable[[], Any]) -> "asyncio.Future[Any]":
    """Call `function` in a thread with a copy of the caller's context variables.

    Cancelling the future does not stop the thread: nothing can; what it returns then is dropped.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    try:
        worker = _idle.pop()
    except IndexError:
        worker = _Worker()
    worker.jobs.put(_Job(loop, future, copy_context(), function))
    return future
