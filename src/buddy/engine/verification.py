"""Is a run what its journal says: the chain, the head that the home keeps, the outputs, and the safety rules.

Nothing here writes, and nothing here asks the gate. A journal is read once, line by line; what a witness
outside of it (the home, the files beside it) knows is held against each record as it passes.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from buddy.core.audit import Audit, Violation
from buddy.core.signing import CHECKS as SIGNATURES
from buddy.engine.beside import Beside
from buddy.engine.witnesses import Approvals, Locks
from buddy.errors import JournalDamaged
from buddy.journal.codec import Head, Reader, is_torn
from buddy.journal.events import Record, RunStarted
from buddy.model.approval import Approval
from buddy.ports import LockState
from buddy.projections.outputs import grows, project

CHECKS: dict[str, str] = {
    "chain_broken": "each line follows from the one before it",
    "line_torn": "the last line is whole",
    "journal_empty": "there is a journal",
    "head_differs": "the journal ends where the home says that it ends, or of a crashed run comes as far",
    "output_missing": "every output is there",
    "output_differs": "every output is what the journal projects to",
    "output_unexpected": "there is no file of a fleet that the journal does not project to",
    "plans_differ": "the plans beside the journal are those that the run began with",
    "blob_missing": "every large result is there",
    "blob_differs": "every large result is what was written",
    "lock_differs": "the lock was as the home remembers it",
    "live_in_locked_time": "live calls and undos were made while the home's lock was open, in its epoch",
    "approval_unknown": "the home was asked for every approval",
    "approval_differs": "approvals were asked for, decided and consumed as the home remembers it",
    "approval_not_journaled": "the journal tells of every approval that the home was asked for in this run",
} | SIGNATURES
"""What is checked beside the rules of `buddy.core.audit`, and what holds where it holds."""

_TAIL = re.compile(rb',"hash":"([0-9a-f]{64})"\}\n\Z')


class Report(Struct, frozen=True, kw_only=True):
    """What a verification found.

    Attributes:
        run_id: of the run, empty where its first line does not hold.
        events: lines that hold, from the first.
        violations: what is wrong, in the order of the journal, then what no line of it shows.
        outputs_checked: files whose content was compared, in full or (after a broken line) as far as it goes.
        head_checked: the home knows the run, so that a journal recomputed from end to end would be found.
        signatures_checked: signatures that hold, 0 where no public key was given.
    """

    run_id: str
    events: int
    violations: tuple[Violation, ...]
    outputs_checked: tuple[str, ...]
    head_checked: bool
    signatures_checked: int = 0


def verify(
    lines: Iterable[bytes],
    outputs: Callable[[str], bytes | None],
    head: Head | None,
    lock_history: Sequence[LockState],
    approvals: Sequence[Approval],
    blobs: Callable[[str], bytes],
    present: Iterable[str] = (),
    *,
    at_rest: bool = True,
) -> Report:
    """Check a run against everything that knows of it, and report all that is wrong.

    Args:
        lines: of the journal, each with its line feed.
        outputs: file name -> content, None where there is no such file; asked for each that there should be,
            and for the run's plans.
        head: where the home says that the journal ends, None where it does not know the run.
        lock_history: every epoch of the home's lock, oldest first; empty where it was never touched.
        approvals: that the home was asked for in this run.
        blobs: digest -> large result; raises `BuddyError` or `LookupError` where it cannot be had.
        present: names of the files that a reader of a fleet's outputs would come upon.
        at_rest: the home knows where the journal ends; else, of a run under way or that crashed, a line that
            it had reached, after which it may go on.
    """
    known = head is not None
    beside = Beside(outputs, blobs)
    witnesses = (Locks(lock_history, known=known), Approvals(approvals, known=known), beside)
    reading = _Reading(lines, head, witnesses, at_rest=at_rest)
    expected = project(reading.records())
    reading.end()
    compared = [name for name in expected if grows(name) or not reading.broken]
    found = {name: outputs(name) for name in expected}
    checked = tuple(name for name in compared if found[name] is not None)
    violations = [*reading.violations, *_output_violations(expected, found, broken=reading.broken)]
    violations += [
        Violation(rule="output_unexpected", seq=0, message=f"{name} is nothing that the journal projects to")
        for name in present
        if name not in expected and not reading.broken
    ]
    return Report(
        run_id=reading.run_id,
        events=reading.at.seq,
        violations=tuple(violations),
        outputs_checked=checked,
        head_checked=head is not None,
    )


class _Reading:
    """One pass over the lines of a journal; stops believing at the first that does not hold."""

    def __init__(
        self, lines: Iterable[bytes], kept: Head | None, witnesses: "Sequence[_Witness]", *, at_rest: bool
    ) -> None:
        self._lines = lines
        self._kept = kept
        self._at_rest = at_rest
        self._kept_passed = kept is None or kept == Head()
        self._witnesses = witnesses
        self._audit = Audit()
        self.run_id = ""
        self.at = Head()
        self.broken = False
        self.violations: list[Violation] = []

    def records(self) -> Iterator[Record]:
        """Yield what holds, and check it on the way."""
        lines = iter(self._lines)
        reader = Reader()
        for line in lines:
            try:
                record = reader.read(line)
            except JournalDamaged as damage:
                self._stop(damage, line, lines)
                return
            self.at = reader.head
            self._kept_passed = self._kept_passed or self.at == self._kept
            if not self.run_id and isinstance(record.event, RunStarted):
                self.run_id = record.event.run_id
            self.violations += self._audit.feed(record)
            for witness in self._witnesses:
                self.violations += witness.feed(record)
            yield record

    def end(self) -> None:
        """Check what only the end shows."""
        if not self.at.seq and not self.broken:
            self.violations.append(Violation(rule="journal_empty", seq=0, message="the journal has no line"))
        if not self.broken:
            # After a broken line, what is missing may stand where nobody believes it.
            self.violations += self._audit.finish()
            for witness in self._witnesses:
                self.violations += witness.finish()
            self.violations += self._head_violations(self.at)

    def _stop(self, damage: JournalDamaged, line: bytes, rest: Iterator[bytes]) -> None:
        after = deque(enumerate(rest, damage.line + 1), maxlen=1)
        count, last = after[0] if after else (damage.line, line)
        if is_torn(line) and not after:
            message = f"line {count} was cut while being written, as a crash does; `buddy resume` cuts it off"
            self.violations.append(Violation(rule="line_torn", seq=count, message=message))
            return
        self.broken = True
        self.violations.append(Violation(rule="chain_broken", seq=damage.line, message=f"{damage}"))
        tail = _TAIL.search(last)
        self.violations += self._head_violations(Head(count, tail[1].decode() if tail else ""))

    def _head_violations(self, end: Head) -> Iterator[Violation]:
        kept = self._kept
        if kept is None or kept == end:
            return
        if end.seq < kept.seq:
            wrong = f"it has {end.seq} lines, and the home knows of {kept.seq}: some were cut out or cut off"
        elif end.seq > kept.seq and self._kept_passed:
            if not self._at_rest:
                return
            wrong = f"it goes on to line {end.seq} after line {kept.seq}, the last that the home knows of"
        else:
            wrong = f"line {kept.seq} is not the one that the home knows of: the journal was written anew"
        yield Violation(rule="head_differs", seq=min(end.seq, kept.seq), message=wrong)


class _Witness(Protocol):
    """Something outside of the journal that knows a part of what it tells."""

    def feed(self, record: Record) -> Iterable[Violation]:
        """Return where it contradicts a record."""
        ...

    def finish(self) -> Iterable[Violation]:
        """Return what it knows of and the journal does not tell."""
        ...


def _output_violations(
    expected: Mapping[str, bytes], outputs: Mapping[str, bytes | None], *, broken: bool
) -> Iterator[Violation]:
    for name, content in expected.items():
        found = outputs[name]
        if found is None:
            yield Violation(rule="output_missing", seq=0, message=f"{name} is not there")
        elif broken and not grows(name):
            # What is written whole at the end says nothing about the beginning.
            continue
        elif found != content and not (broken and found.startswith(content)):
            line = _first_difference(content, found)
            message = f"{name} is not what the journal projects to, from its line {line} on"
            yield Violation(rule="output_differs", seq=0, message=message)


def _first_difference(expected: bytes, found: bytes) -> int:
    """Return the 1-based line on which two contents part."""
    low, high = 0, min(len(expected), len(found))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if expected[:middle] == found[:middle] else (low, middle - 1)
    return expected.count(b"\n", 0, low) + 1
