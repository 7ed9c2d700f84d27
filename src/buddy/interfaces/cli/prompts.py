"""Asking a person in the terminal while a run goes on."""

import os
import queue
import select
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing

from buddy.errors import BuddyError
from buddy.interfaces.cli.printing import warn
from buddy.interfaces.cli.progress import Bar
from buddy.interfaces.cli.requests import request_lines
from buddy.journal.times import iso
from buddy.model.approval import ApprovalRequest, ApprovalState, Vote
from buddy.ports import HomeStore

LOOK_S = 0.2
"""Seconds between two looks at whether a question is still open."""

ANSWERS: dict[str, bool | None] = {
    "y": True, "yes": True, "n": False, "no": False, "s": None, "skip": None,
}  # fmt: skip
"""What may be typed -> the vote, None where there is none."""


class Prompter:
    """Asks one question at a time, from a thread of its own.

    Args:
        bar: on the screen that questions appear on.
        person: who answers.
        home: opens another connection to the home, where votes go.
        keyboard: file descriptor that answers are read from.

    Attributes:
        waits: a question stands on the screen, at whose end the cursor is.
    """

    def __init__(
        self, bar: Bar, person: str, home: Callable[[], HomeStore], keyboard: int | None = None
    ) -> None:
        self._bar = bar
        self._person = person
        self._home = home
        self._keyboard = sys.stdin.fileno() if keyboard is None else keyboard
        self._questions: queue.SimpleQueue[ApprovalRequest | None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self.waits = False
        self._typed = b""
        self._thread = threading.Thread(target=self._work, name="prompts", daemon=True)

    def __enter__(self) -> "Prompter":
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._ended.set()
        self._questions.put(None)
        self._thread.join()

    def ask(self, request: ApprovalRequest) -> None:
        """Put a question after those that are waiting; returns at once."""
        self._questions.put(request)

    def _work(self) -> None:
        try:
            with closing(self._home()) as home:
                while not self._ended.is_set() and (request := self._questions.get()) is not None:
                    with self._bar.aside():
                        self._put(home, request)
        except BuddyError as problem:
            warn(f"buddy: nobody can be asked here any more: {problem}")

    def _put(self, home: HomeStore, request: ApprovalRequest) -> None:
        if not _is_open(home, request):
            return
        warn("", *request_lines(request))
        while True:
            self.waits = True
            sys.stderr.write("  [y]es, [n]o, or [s]kip? ")
            sys.stderr.flush()
            word = self._line(home, request)
            self.waits = False
            if word is None:
                warn("")
                return
            if word.strip().lower() in ANSWERS:
                self._vote(home, request, ANSWERS[word.strip().lower()])
                return

    def _vote(self, home: HomeStore, request: ApprovalRequest, approve: bool | None) -> None:
        if approve is None:
            warn(f"  left open: `buddy approvals approve {request.approval_id}` or `deny` answers it later")
            return
        now = time.time()
        vote = Vote(by=self._person, approve=approve, at=iso(now), reason="answered in the terminal")
        try:
            state = home.vote(request.approval_id, vote, now).state
        except BuddyError as problem:
            warn(f"  {problem}")
            return
        if state is ApprovalState.PENDING:
            warn(f"  noted; {request.quorum} different people have to say yes")

    def _line(self, home: HomeStore, request: ApprovalRequest) -> str | None:
        """Return what was typed, None where the run ended, the keyboard did, or somebody else decided."""
        # A thread that sits in a blocking read would hold up the interpreter when it leaves.
        while b"\n" not in self._typed:
            if self._ended.is_set() or not _is_open(home, request):
                return None
            if select.select([self._keyboard], [], [], LOOK_S)[0]:
                found = os.read(self._keyboard, 4096)
                if not found:
                    self._ended.set()
                    warn("", "  nobody is at the keyboard any more; `buddy approvals list` shows what waits")
                    return None
                self._typed += found
        line, _, self._typed = self._typed.partition(b"\n")
        return line.decode("utf-8", "replace")


def _is_open(home: HomeStore, request: ApprovalRequest) -> bool:
    approval = home.approval(request.approval_id, time.time())
    return approval is not None and approval.state is ApprovalState.PENDING
