"""Phrases that sentences about steps are made of."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from buddy.model.approval import ApprovalState
from buddy.model.contract import ToolContract
from buddy.model.outcome import CallError, Change, Preview
from buddy.projections.lines import encode

SHOWN = 200
"""Characters of a value that a sentence shows."""

MOST_CHANGES = 5
"""Previewed changes that a sentence lists."""

WAYS_ON: dict[str, str] = {
    "approval": "`buddy approvals list --run {run}` shows who is asked what, `buddy approvals approve ID` or"
    " `deny ID` answers, then `{resume}` goes on",
    "lock": "`buddy unlock` opens the system, then `{resume}` goes on",
    "breaker": "`buddy breaker list` shows what is open, `buddy breaker close SUBJECT` closes it, then"
    " `{resume}` goes on",
    "permission": "grant the permission in a configuration file, then `buddy resume RUN --config FILE`",
    "unknown_tool": "`{resume}` goes on, with a file that has the tool and its handler",
    "caps": "`{resume}` goes on once the cap's window has passed",
    "dependency": "settle the steps that it depends on, then `{resume}` goes on",
}
"""Rule that holds a step -> what a person can do; `{run}` is the run's id, `{resume}` how to go on."""


def ways_on(rule: str, run: str, resume: str = "") -> str:
    """Return what a person can do about steps that a rule holds.

    Args:
        rule: that holds them.
        run: the run's id.
        resume: the command that goes on, as far as more of it is known than the run.
    """
    again = resume or resuming(run)
    return WAYS_ON.get(rule, "`{resume}` takes it up again").format(run=run, resume=again)


def resuming(run: str) -> str:
    """Return the command that goes on with a run whose tool files are not known."""
    return f"buddy resume {run} --tools FILE"


def command(name: str, run: str, files: Iterable[str] = (), *more: str) -> str:
    """Return a command about a run, to be copied into a shell.

    Args:
        name: of the command.
        run: its id or folder.
        files: with tools.
        more: words that follow.
    """
    tools = [word for file in files for word in ("--tools", file)]
    return " ".join(quoted(word) for word in ("buddy", name, run, *tools, *more))


_SAFE = re.compile(r"[\w@%+=:,./-]+", re.ASCII)


def quoted(text: str) -> str:
    """Return an id as a shell takes it."""
    return text if _SAFE.fullmatch(text) else "'" + text.replace("'", "'\"'\"'") + "'"


def clock(time: str) -> str:
    """Return a time in UTC as people read it, to the millisecond."""
    return time[:23].replace("T", " ")


def count(number: int, what: str) -> str:
    """Return `1 step`, `2 steps`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def short(value: Any) -> str:
    """Return a value as JSON, cut to what a sentence can bear."""
    text = encode(value).decode()
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


_DECIDED: dict[ApprovalState, str] = {
    ApprovalState.PENDING: "was left open",
    ApprovalState.APPROVED: "was granted",
    ApprovalState.DENIED: "was denied",
    ApprovalState.EXPIRED: "expired",
    ApprovalState.SUPERSEDED: "was replaced by another request",
    ApprovalState.CANCELLED: "was withdrawn",
}


def decision(state: ApprovalState, by: Sequence[str], reason: str) -> str:
    """Return what became of a request, to follow its name.

    Args:
        state: that it came to.
        by: who decided it; where nobody did, who had voted on it.
        reason: what they said.
    """
    people = ", ".join(by)
    decided = state in (ApprovalState.APPROVED, ApprovalState.DENIED)
    voted = f" by {people}" if decided else f" although {people} had voted"
    return f"{_DECIDED[state]}{voted if people else ''}{f': {reason}' if reason else ''}"


def promise(contract: ToolContract | None) -> str:
    """Return what a tool promises, in a few words."""
    if contract is None:
        return "in no catalogue"
    undo = f", undo {contract.undo.value}" if contract.writes else ""
    return f"{contract.risk.value} risk, {contract.effect.value}{undo}"


def previewed(preview: Preview) -> str:
    """Return what a call would change and return, in sentences."""
    if not preview.available:
        return "The tool has no preview, so what would change is not known."
    changes = [_change(change) for change in preview.changes[:MOST_CHANGES]]
    hidden = len(preview.changes) - len(changes)
    more = f"; and {hidden:,} more" if hidden > 0 else ""
    told = f"It would change: {'; '.join(changes)}{more}." if changes else "It would change nothing."
    notes = f" {' '.join(preview.notes)}" if preview.notes else ""
    result = f" It would return {short(preview.result)}." if preview.result is not None else ""
    return f"{told}{result}{notes}"


def _change(change: Any) -> str:
    plain = msgspec.to_builtins(change) if isinstance(change, Change) else change
    if isinstance(plain, dict) and "resource" in plain and plain.keys() <= {"resource", "before", "after"}:
        before, after = plain.get("before"), plain.get("after")
        was = "nothing" if before is None else short(before)
        return f"{plain['resource']} from {was} to {'nothing' if after is None else short(after)}"
    return short(plain)


def error(error: CallError) -> str:
    """Return why an attempt did not pass."""
    effect = "nothing happened" if error.no_effect else "it may have happened"
    return f"{error.type}: {error.message.rstrip('.')} ({effect})"
