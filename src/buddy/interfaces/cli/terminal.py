"""The people around a run, as far as they sit at the terminal it was started from."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from buddy.interfaces.cli.printing import warn
from buddy.interfaces.cli.progress import Bar

if TYPE_CHECKING:
    from buddy.interfaces.cli.prompts import Prompter
    from buddy.model.approval import ApprovalRequest, Vote
    from buddy.ports import HomeStore

LISTED = 10
"""Requests that are announced one by one."""


class TerminalInteraction:
    """Shows progress and alerts on stderr, and asks about approvals where somebody can answer.

    Args:
        bar: that shows the progress.
        prompter: that asks, None where requests are only announced.
    """

    def __init__(self, bar: Bar, prompter: "Prompter | None" = None) -> None:
        self._bar = bar
        self._prompter = prompter
        self._told = 0
        self.progress: Callable[[int, int], None] = bar.update

    async def decide(self, request: "ApprovalRequest", confidence: float | None) -> "Vote | None":
        """Answer nothing at once: a question must not hold up the steps beside it."""
        return None

    def approval_requested(self, request: "ApprovalRequest") -> None:
        """Ask in the terminal, or say in one line how to answer."""
        if self._prompter is not None:
            self._prompter.ask(request)
            return
        self._told += 1
        if self._told > LISTED:
            if self._told == LISTED + 1:
                self._print("... more approvals are asked for; `buddy approvals list` shows all")
            return
        about = f"{request.tool} for {request.agent} ({request.plan_id}/{request.step_id})"
        self._print(
            f"approval {request.approval_id}: {about}; `buddy approvals approve {request.approval_id}`"
        )

    def alert(self, message: str) -> None:
        """Print what cannot wait."""
        self._print(f"ALERT {message}")

    def note(self, line: str) -> None:
        """Print what may help."""
        self._print(f"note: {line}")

    def _print(self, line: str) -> None:
        with self._bar.aside():
            warn(*([""] if self._prompter is not None and self._prompter.waits else []), line)


@contextmanager
def at_terminal(
    label: str, ask: bool, person: str, home: "Callable[[], HomeStore]"
) -> Iterator[TerminalInteraction]:
    """Be around for a run.

    Args:
        label: what is going on.
        ask: somebody is there to answer.
        person: who.
        home: opens another connection to the home.
    """
    with Bar(label) as bar:
        if not ask:
            yield TerminalInteraction(bar)
            return
        from buddy.interfaces.cli.prompts import Prompter

        with Prompter(bar, person, home) as prompter:
            yield TerminalInteraction(bar, prompter)
