"""Every error that Buddy raises, in one tree.

    BuddyError
    |-- BadInput            what was handed in cannot be used; carries every problem found      exit 2
    |   |-- BadConfig       the configuration cannot be used
    |   `-- UnknownFormat   a journal is of a format that this Buddy does not know
    |-- ClosedStop          the journal or the disk failed: the run stopped, nothing half-told  exit 74
    |   `-- HomeUnavailable buddy.db is corrupt, full, busy or of another version
    |-- Interrupted         a signal stopped the run; it can go on                              exit 130
    |-- JournalDamaged      a stored journal does not hold together                               exit 74
    |-- IllegalMove         a move that no table of the system allows: a defect of Buddy
    |-- ToolError           a tool refused or failed and NOTHING happened; retried
    |   |-- InvalidArguments    the arguments are wrong; never retried, no mark against the tool
    |   |   `-- CodeFailed          the code among them failed, or reached a limit
    |   |       `-- CodeViolation       it tried what it may not
    |   `-- ToolPermissionError the other side refused the caller; never retried, no mark against the tool
    |-- SandboxUnavailable  this machine cannot hold code the way that was asked for               exit 2
    `-- ChangedSince        an undo found the record changed by somebody else and left it alone

A tool raises `ToolError` (or a child) to say that the world is as it was. Any other exception from a
live, non-idempotent write means that nobody knows.
"""

from collections.abc import Sequence


class BuddyError(Exception):
    """Something that Buddy explains in one sentence."""


class Problem(str):
    """One sentence about one thing wrong with an input: place, expected, found."""

    __slots__ = ()


class BadInput(BuddyError):
    """The input cannot be used; nothing ran.

    Args:
        problems: every problem found, in the order of the input.
        omitted: how many more were found and are not listed.
    """

    def __init__(self, problems: Sequence[str] | str, omitted: int = 0) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        self.omitted = omitted
        more = (f"... and {omitted:,} more",) if omitted else ()
        super().__init__("\n".join((*self.problems, *more)))


class BadConfig(BadInput):
    """The configuration cannot be used; nothing ran."""


class UnknownFormat(BadInput):
    """A journal is of a format that this Buddy does not know: a newer one wrote it, or none."""


class ClosedStop(BuddyError):
    """The journal or the disk failed, so the run stopped before anything else could happen."""


class HomeUnavailable(ClosedStop):
    """Buddy's home (buddy.db) cannot be trusted or reached, so nothing goes on."""


class Interrupted(BuddyError):
    """A signal stopped the run; what was in flight came to its end, and the run can go on."""


class JournalDamaged(BuddyError):
    """A stored journal does not hold together.

    Args:
        line: 1-based number of the first line that is wrong, 0 where it is none in particular.
    """

    def __init__(self, message: str, line: int = 0) -> None:
        self.line = line
        super().__init__(message)


class IllegalMove(BuddyError):
    """A move that the system's tables do not allow; raised instead of guessing."""


class ToolError(BuddyError):
    """The tool refused or failed and nothing happened in the world.

    Args:
        message: what went wrong, for a person.
        retry_after: seconds that the other side asked to wait before a retry, if it did.
    """

    retryable = True
    counts_against_tool = True

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message or (self.__doc__ or "").split("\n", 1)[0])


class InvalidArguments(ToolError):
    """The arguments are wrong; nothing happened."""

    retryable = False
    counts_against_tool = False


class CodeFailed(InvalidArguments):
    """The code that was to be run failed or reached a limit; nothing happened outside of its sandbox."""


class CodeViolation(CodeFailed):
    """The code that was to be run tried what it may not; nothing happened outside of its sandbox."""


class ToolPermissionError(ToolError):
    """The other side refused the caller; nothing happened."""

    retryable = False
    counts_against_tool = False


class SandboxUnavailable(BuddyError):
    """This machine cannot hold code the way that was asked for; nothing ran.

    Args:
        missing: what stands in the way, one sentence each with what would change it.
    """

    def __init__(self, missing: Sequence[str]) -> None:
        self.missing = tuple(missing)
        super().__init__("the sandbox cannot be had here:\n" + "\n".join(self.missing))


class ChangedSince(BuddyError):
    """The record is no longer what the call left, so the undo left it alone."""
