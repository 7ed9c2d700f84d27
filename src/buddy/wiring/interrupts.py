"""What a run does when it is asked to end."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from buddy.adapters.system.signals import heeded
from buddy.engine.run import Run


def heeding(run: Run, again: str, alert: Callable[[str], object]) -> AbstractAsyncContextManager[None]:
    """Have the first SIGINT or SIGTERM stop a run in good order, and the second end the process.

    Args:
        run: to be stopped; one that is over already is not.
        again: the command that goes on with it.
        alert: tells a person.
    """

    def stop(name: str) -> None:
        if run.interrupt.closed:
            return
        run.interrupt.ask(name)
        calls = "1 live call" if run.interrupt.acting == 1 else f"{run.interrupt.acting} live calls"
        alert(f"{name}: nothing more is begun, {calls} may end; a second signal ends the process at once")

    def leave(name: str) -> None:
        alert(f"{name}: the process ends at once, as in a crash; `{again}` goes on")

    return heeded(stop, leave)
