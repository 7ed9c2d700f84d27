"""Signals that end a process, as a question to the run first."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

INTERRUPTED = 130
LAST_WORDS_S = 1.0
"""Seconds that a last line may take where nobody reads it."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@asynccontextmanager
async def heeded(ask: Callable[[str], object], leave: Callable[[str], object]) -> AsyncIterator[None]:
    """Have the first SIGINT or SIGTERM ask, and the second end the process there and then.

    Ending there and then is safe: whatever the journal does not say is found out by a resume. A SIGINT of
    before, for which `asyncio.run` cancels the task at its next wait, asks too. Outside of the main thread
    signals are left alone.

    Args:
        ask: is called in the running event loop with the name of the first signal.
        leave: is called in a thread with the name of the second, and has `LAST_WORDS_S` to say something.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    asked = False

    def heard(number: int, frame: object = None) -> None:
        nonlocal asked
        name = signal.Signals(number).name
        if asked:
            last_words = threading.Thread(target=leave, args=(name,), daemon=True)
            last_words.start()
            last_words.join(LAST_WORDS_S)
            os._exit(INTERRUPTED)
        asked = True
        loop.call_soon_threadsafe(ask, name)

    # Not the loop's own handlers, which would not be called while it is busy, as when a run is closed.
    before = [(number, signal.signal(number, heard)) for number in _SIGNALS]
    try:
        if await _is_cancelled():
            heard(signal.SIGINT)
        yield
    finally:
        for number, handler in before:
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


async def _is_cancelled() -> bool:
    """Whether this task was to be cancelled at its next wait; it is not, then."""
    task = asyncio.current_task()
    if task is None or not task.cancelling():
        return False
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        task.uncancel()
        return True
    return False
