"""What is done anywhere to a large run is found."""

import random
from collections.abc import Callable

import pytest

from buddy.engine import verification
from buddy.projections.outputs import project
from e2e.tampering import Held, differing, drained, split
from unit.core.journals import Story

LARGE = 20_000


@pytest.fixture(scope="module")
def large() -> Held:
    story = Story()
    while len(story.events) < LARGE - 1:
        story.live(f"s{len(story.events)}")
    lines, head = story.finished().lines()
    held = Held(b"".join(lines), dict(project(story.records())), head)
    assert len(held.lines) >= LARGE
    assert held.verify() == ()
    return held


def anywhere(chance: random.Random, lines: list[bytes]) -> tuple[str, list[bytes]]:
    """Do something to a journal, somewhere."""
    place, other = sorted(chance.sample(range(len(lines)), 2))
    line = lines[place]
    at = chance.randrange(len(line))
    byte = bytes((line[at] ^ 1 << chance.randrange(8),))
    deeds: dict[str, Callable[[], list[bytes]]] = {
        "byte": lambda: [*lines[:place], *split(line[:at] + byte + line[at + 1 :]), *lines[place + 1 :]],
        "insertion": lambda: [*lines[:place], *split(line[:at] + byte + line[at:]), *lines[place + 1 :]],
        "shorter": lambda: [*lines[:place], line[:at] + line[at + 1 :], *lines[place + 1 :]],
        "deletion": lambda: [*lines[:place], *lines[place + 1 :]],
        "gap": lambda: [*lines[:place], *lines[other:]],
        "swap": lambda: [*lines[:place], lines[other], *lines[place + 1 : other], line, *lines[other + 1 :]],
        "again": lambda: [*lines[:other], line, *lines[other:]],
        "cut": lambda: lines[:other],
        "cut in a line": lambda: [*lines[:place], line[:at]],
    }
    name = chance.choice(list(deeds))
    return name, deeds[name]()


def test_what_is_done_anywhere_to_a_large_journal_is_found(
    large: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "project", drained)
    chance = random.Random(3)
    for turn in range(32):
        name, lines = anywhere(chance, large.lines)
        found = large.found(lines)
        assert found & {"chain_broken", "head_differs", "line_torn"}, (turn, name)


def test_what_is_done_anywhere_to_an_output_of_a_large_run_is_found(large: Held) -> None:
    chance = random.Random(4)

    def change(content: bytes) -> bytes:
        place = chance.randrange(len(content))
        return content[:place] + bytes((content[place] ^ 1 << chance.randrange(8),)) + content[place + 1 :]

    for _ in range(2):
        changed, reported = differing(large, lambda content: change(content) if content else content)
        assert changed == reported
        assert max(len(large.outputs[name]) for name in changed) > 1_000_000
