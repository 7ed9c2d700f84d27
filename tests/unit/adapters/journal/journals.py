"""Journals whose every byte is known."""

from pathlib import Path

from buddy.adapters.journal import FileJournal, read
from buddy.journal import codec
from buddy.journal.codec import Head
from buddy.journal.events import PlanStarted

TIME = "2026-01-01T00:00:00.000000+00:00"
LARGE = b"x" * 100_000


def event(number: int) -> PlanStarted:
    return PlanStarted(plan=f"plan {number} \N{SNOWMAN}", steps=number)


def lines_of(count: int) -> list[bytes]:
    """The first lines of any journal that these tests write."""
    head, lines = Head(), []
    for number in range(count):
        line, head = codec.encode(event(number), head, TIME)
        lines.append(line)
    return lines


def write(folder: Path, count: int) -> Path:
    journal = FileJournal.create(folder)
    for number in range(count):
        journal.append(event(number), TIME)
    journal.close()
    return folder / "journal.jsonl"


def plans(folder: Path, *, allow_torn: bool = False) -> list[int]:
    return [record.event.steps for record, _ in read(folder, allow_torn=allow_torn)]
