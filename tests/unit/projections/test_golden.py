"""The outputs of a small hand-written journal, byte for byte.

`BUDDY_WRITE_GOLDENS=1` writes them; whoever does so reads the difference.
"""

import os
from pathlib import Path

import msgspec
import pytest

from buddy.core.audit import Audit
from buddy.journal.events import AnyEvent, Record
from buddy.projections.outputs import OUTPUTS, project

FOLDER = Path(__file__).parents[2] / "golden" / "projections"


class Line(msgspec.Struct):
    time: str


@pytest.fixture(scope="module")
def journal() -> list[Record]:
    stamp, event = msgspec.json.Decoder(Line), msgspec.json.Decoder(AnyEvent)
    lines = (FOLDER / "events.jsonl").read_bytes().splitlines()
    return [Record(seq, stamp.decode(line).time, event.decode(line)) for seq, line in enumerate(lines, 1)]


def test_the_journal_is_one_that_the_auditor_accepts(journal: list[Record]) -> None:
    audit = Audit()
    assert [violation for record in journal for violation in audit.feed(record)] == []


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_are_the_goldens(journal: list[Record], name: str) -> None:
    content = project(journal)[name]
    if os.environ.get("BUDDY_WRITE_GOLDENS"):
        (FOLDER / name).write_bytes(content)
    assert content == (FOLDER / name).read_bytes()
