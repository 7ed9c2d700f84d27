"""Any change of a finished run's journal, outputs or plans is found: each one on a small run.

The run is a fleet in LIVE with an approval, a resume and a rollback: every kind of line and of output.
"""

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec
import pytest

from buddy import wiring
from buddy.engine import verification
from buddy.errors import JournalDamaged
from buddy.interfaces.cli.main import main
from buddy.journal.codec import Head, Reader
from buddy.journal.events import ApprovalDecided, RunResumed, UndoOutcome, WaveStarted
from buddy.ports import PLANS
from buddy.projections.outputs import project
from e2e.tampering import TOOLS, Held, differing, drained, finished, held, others, split


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("small")
    with finished(place):
        yield place


@pytest.fixture(scope="module")
def small(folder: Path) -> Held:
    run = held(folder / "out")
    assert run.verify() == ()
    return run


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "project", drained)


def test_the_small_run_has_what_there_is_to_tamper_with(folder: Path, small: Held) -> None:
    kinds = {type(record.event) for record in wiring.records("out")}
    assert {WaveStarted, ApprovalDecided, RunResumed, UndoOutcome} <= kinds
    assert len(small.lines) < 50
    assert {Path(name).suffix for name in small.outputs} == {".json", ".jsonl", ".md", ".svg"}
    assert any(name.startswith("wave_2/") for name in small.outputs)
    assert small.outputs.keys() - project(record for record in wiring.records("out")).keys() == {PLANS}


# every byte


def heads(lines: list[bytes]) -> list[Head]:
    """Where the journal ends before each line."""
    reader, found = Reader(), []
    for line in lines:
        found.append(reader.head)
        reader.read(line)
    return found


def reads(text: bytes, head: Head) -> bool:
    """Whether the first line of a text follows."""
    try:
        Reader(head).read(text[: text.find(b"\n") + 1] or text)
    except JournalDamaged:
        return False
    return True


def test_no_line_can_be_read_with_any_byte_of_it_changed(small: Held) -> None:
    """What `verify` reads by, on every byte and each of many replacements."""
    tried = 0
    following = [*small.lines[1:], b""]
    for line, after, head in zip(small.lines, following, heads(small.lines), strict=True):
        assert reads(line + after, head)
        for place, byte in enumerate(line):
            front, back = line[:place], line[place + 1 :] + after
            for other in others(byte):
                assert not reads(front + bytes((other,)) + back, head), (head, place, other)
                tried += 1
    assert tried > 14 * len(small.journal)


@pytest.mark.usefixtures("chain")
def test_every_changed_byte_is_found(small: Held) -> None:
    start = 0
    for number, line in enumerate(small.lines):
        for place, byte in enumerate(line, start):
            choice = sorted(others(byte))
            other = choice[place % len(choice)]
            rest = small.journal[place + 1 : start + len(line)] + b"".join(
                small.lines[number + 1 : number + 2]
            )
            changed = split(small.journal[start:place] + bytes((other,)) + rest)
            found = small.found([*small.lines[:number], *changed, *small.lines[number + 2 :]])
            assert found & {"chain_broken", "line_torn"}, (place, other)
        start += len(line)


def test_a_changed_byte_is_found_among_everything_else(small: Held) -> None:
    chance = random.Random(1)
    for place in chance.sample(range(len(small.journal)), 400):
        changed = bytearray(small.journal)
        changed[place] = chance.choice(sorted(set(range(256)) - {changed[place]}))
        assert small.found(split(bytes(changed))) & {"chain_broken", "line_torn"}, place


# every line


def test_every_deleted_line_is_found(small: Held) -> None:
    for number in range(len(small.lines)):
        found = small.found([*small.lines[:number], *small.lines[number + 1 :]])
        last = number == len(small.lines) - 1
        assert ("head_differs" if last else "chain_broken") in found, number


def test_every_swap_of_two_lines_is_found(small: Held) -> None:
    for one, other in combinations(range(len(small.lines)), 2):
        lines = list(small.lines)
        lines[one], lines[other] = lines[other], lines[one]
        assert "chain_broken" in small.found(lines), (one, other)


@pytest.mark.usefixtures("chain")
def test_every_line_said_again_anywhere_is_found(small: Held) -> None:
    for number, line in enumerate(small.lines):
        for place in range(len(small.lines) + 1):
            found = small.found([*small.lines[:place], line, *small.lines[place:]])
            assert "chain_broken" in found, (number, place)


FOREIGN = [
    b"\n",
    b" \n",
    b"{}\n",
    b"\x00",
    b"}",
    b'{"seq":1}\n',
    b"\xef\xbb\xbf",
    b"\r\n",
    b"x" * 10_000 + b"\n",
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda text: repr(text[:8]))
def test_anything_put_in_anywhere_is_found(small: Held, foreign: bytes) -> None:
    for place in range(len(small.lines) + 1):
        text = b"".join(small.lines[:place]) + foreign + b"".join(small.lines[place:])
        assert small.found(split(text)) & {"chain_broken", "line_torn"}, place


# every cut


@pytest.mark.usefixtures("chain")
def test_every_cut_tail_is_found(small: Held) -> None:
    start = 0
    for number, line in enumerate(small.lines):
        kept = small.lines[:number]
        assert small.found(kept) >= ({"head_differs"} if number else {"journal_empty", "head_differs"})
        for length in range(1, len(line)):
            assert "line_torn" in small.found([*kept, line[:length]]), start + length
        start += len(line)


def test_a_cut_at_the_end_of_a_line_is_found_among_everything_else(small: Held) -> None:
    for number in range(len(small.lines)):
        outputs = {**dict(project(small_records(small, number))), PLANS: small.outputs[PLANS]}
        assert "head_differs" in small.found(small.lines[:number], outputs), number


def small_records(small: Held, count: int) -> Iterator[Any]:
    reader = Reader()
    return (reader.read(line) for line in small.lines[:count])


def test_every_cut_front_is_found(small: Held) -> None:
    for number in range(1, len(small.lines)):
        assert "chain_broken" in small.found(small.lines[number:])
    for place in range(1, len(small.lines[0])):
        assert "chain_broken" in small.found([small.lines[0][place:], *small.lines[1:]])


# the same said otherwise


def spelled(line: bytes) -> Iterator[bytes]:
    """The same event in other words."""
    told = json.loads(line)
    body, digest = {name: value for name, value in told.items() if name != "hash"}, told["hash"]
    tail = f',"hash":"{digest}"}}\n'.encode()
    compact = {"separators": (",", ":"), "ensure_ascii": False}
    yield json.dumps(body, ensure_ascii=False)[:-1].encode() + tail
    yield json.dumps(body, **compact, indent=None)[:-1].encode() + b" " + tail
    yield json.dumps(dict(reversed(body.items())), **compact)[:-1].encode() + tail
    yield line.replace(b'"type"', b'"\\u0074ype"', 1)
    yield line.replace(b'{"seq":', b'{"seq":0,"seq":', 1)
    yield line.replace(b'{"seq":', b'{"more":null,"seq":', 1)
    yield line.replace(b"0.95", b"0.950", 1)
    yield line.replace(b"0.95", b"9.5e-1", 1)
    yield line.replace("É".encode(), b"\\u00c9", 1)
    yield line.replace(b"\n", b"\r\n")
    yield line.replace(digest.encode(), digest.upper().encode())


def chained(lines: Iterable[bytes], head: Head) -> list[bytes]:
    """Give lines the hashes that follow from a head."""
    follow, before = [], head.hash
    for line in lines:
        body = (
            line.partition(b',"hash":"')[0]
            if line.count(b',"hash":"') == 1
            else line[: line.rindex(b',"hash"')]
        )
        before = hashlib.sha256(before.encode() + body).hexdigest()
        follow.append(b'%s,"hash":"%s"}\n' % (body, before.encode()))
    return follow


def test_the_same_event_in_other_words_is_found(small: Held) -> None:
    tried = 0
    places = heads(small.lines)
    for number, line in enumerate(small.lines):
        for other in spelled(line):
            if other == line:
                continue
            tried += 1
            before, after = small.lines[:number], small.lines[number + 1 :]
            assert "chain_broken" in small.found([*before, other, *after]), other
            if tried % 3 == 0:
                # With every hash made to fit, the home still knows where the journal ended.
                fits = [*before, *chained([other, *after], places[number])]
                assert fits == small.lines or "head_differs" in small.found(fits), other
    assert tried > 8 * len(small.lines)


# outputs and plans


def test_every_changed_byte_of_an_output_is_found(small: Held) -> None:
    """Each byte of a small file; of a large one as many, somewhere."""
    chance = random.Random(2)
    most = 650
    places = {
        content: chance.sample(range(len(content)), min(most, len(content)))
        for content in small.outputs.values()
    }
    assert sum(len(content) < most for content in places) > 10

    def change(content: bytes) -> bytes:
        if turn >= len(places[content]):
            return content
        place = places[content][turn]
        other = chance.choice(sorted(others(content[place])))
        return content[:place] + bytes((other,)) + content[place + 1 :]

    for turn in range(most):  # noqa: B007 - `change` looks at it
        changed, reported = differing(small, change)
        assert changed == reported
        assert changed


def cut(length: Callable[[int], int]) -> Callable[[bytes], bytes]:
    return lambda content: content[: length(len(content))]


CHANGES: dict[str, Callable[[bytes], bytes | None]] = {
    "deleted": lambda content: None,
    "emptied": lambda content: b"",
    "a line feed appended": lambda content: content + b"\n",
    "a blank appended": lambda content: content + b" ",
    "an object appended": lambda content: content + b"{}\n",
    "itself appended": lambda content: content + content,
    "a blank in front": lambda content: b" " + content,
    "last byte cut": cut(lambda length: length - 1),
    "cut in the middle": cut(lambda length: length // 2),
    "last line cut": lambda content: b"".join(content.splitlines(keepends=True)[:-1]),
    "first line cut": lambda content: b"".join(content.splitlines(keepends=True)[1:]),
    "lines reversed": lambda content: b"".join(reversed(content.splitlines(keepends=True))),
    "other line ends": lambda content: content.replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_output_that_was_changed_is_named(small: Held, name: str) -> None:
    changed, reported = differing(small, CHANGES[name])
    assert changed == reported
    assert len(changed) > 20 or name in ("itself appended", "lines reversed")


def test_an_output_is_named_at_every_length_that_it_is_cut_to(small: Held) -> None:
    for tenth in range(100):
        changed, reported = differing(small, cut(lambda length, part=tenth: length * part // 100))
        assert changed == reported == {name for name, content in small.outputs.items() if content}


def test_a_run_with_other_plans_does_not_go_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "copy" / "home"))
    plans = Path("out", PLANS)
    plans.write_text(plans.read_text().replace("It is there.", "Send money."))
    before = Path("out/journal.jsonl").read_bytes()
    for words in (
        ["resume", "out", "--tools", TOOLS],
        ["rollback", "out", "--tools", TOOLS],
        ["cancel", "out"],
        ["resolve", "out", "b", "--did-not"],
    ):
        assert main(words) == 2
    assert Path("out/journal.jsonl").read_bytes() == before
    assert main(["verify", "out"]) == 1


# the command


JOURNALS: dict[str, Callable[[bytes], bytes]] = {
    "a bit": lambda data: data[:700] + bytes((data[700] ^ 4,)) + data[701:],
    "a bit of the first line": lambda data: data[:9] + bytes((data[9] ^ 1,)) + data[10:],
    "the first byte": lambda data: b"[" + data[1:],
    "the last line feed": lambda data: data[:-1],
    "half a line": lambda data: data[:-100],
    "the last line": lambda data: b"".join(split(data)[:-1]),
    "the first line": lambda data: b"".join(split(data)[1:]),
    "all but the first line": lambda data: split(data)[0],
    "everything": lambda data: b"",
    "two lines swapped": lambda data: b"".join(
        [*split(data)[:4], split(data)[5], split(data)[4], *split(data)[6:]]
    ),
    "a line again": lambda data: data + split(data)[-1],
    "an empty line": lambda data: data + b"\n",
    "a blank": lambda data: data.replace(b'{"seq":3,', b'{"seq": 3,'),
    "another format": lambda data: data.replace(b'"format":', b'"format":9', 1),
}


@pytest.mark.parametrize("name", JOURNALS)
def test_the_command_finds_it(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = folder / "out" / "journal.jsonl"
    before = journal.read_bytes()
    assert main(["verify", "out", "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["violations"] == []
    try:
        journal.write_bytes(JOURNALS[name](before))
        assert main(["verify", "out", "--json"]) == 1
    finally:
        journal.write_bytes(before)
    assert msgspec.json.decode(capsys.readouterr().out)["violations"]


@pytest.mark.parametrize("name", ["wave_1/agent_0/executed_tasks.jsonl", "phase21_gantt.svg", PLANS])
def test_the_command_finds_a_changed_file(folder: Path, name: str) -> None:
    file = folder / "out" / name
    before = file.read_bytes()
    try:
        file.write_bytes(before[:-2] + before[-1:])
        assert main(["verify", "out"]) == 1
        file.unlink()
        assert main(["verify", "out"]) == 1
    finally:
        file.write_bytes(before)
    assert main(["verify", "out"]) == 0
