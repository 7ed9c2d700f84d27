import json

from buddy.core.violations import lines_of, tally
from buddy.model.sandbox import Layer, Violation, ViolationType
from buddy.model.violations import PREVIEW, ViolationLine

SOCKET = Violation(
    type=ViolationType.NETWORK_ACCESS_ATTEMPT,
    details="it tried to open a socket",
    layer=Layer.KERNEL,
    authoritative=True,
    line=3,
    syscall="socket",
    count=2,
)
READ = Violation(
    type=ViolationType.FILESYSTEM_ATTEMPT,
    details="it tried to open a file",
    layer=Layer.KERNEL,
    authoritative=True,
    path="/etc/\udcff",
)


def test_a_line_tells_who_what_where_and_how_often() -> None:
    [line] = lines_of("ex_1", "x" * 300, [SOCKET], 1.5).splitlines()
    assert json.loads(line) == {
        "timestamp": "1970-01-01T00:00:01.500000+00:00",
        "execution_id": "ex_1",
        "violation_type": "NETWORK_ACCESS_ATTEMPT",
        "details": "it tried to open a socket",
        "code_preview": "x" * PREVIEW,
        "layer": "kernel",
        "syscall": "socket",
        "path": None,
        "line": 3,
        "count": 2,
        "authoritative": True,
    }
    assert list(json.loads(line)) == list(ViolationLine.__struct_fields__)


def test_what_utf_8_has_no_form_for_is_spelled_out() -> None:
    [line] = lines_of("ex_1", "a = '\ud800é'", [READ], 0.0).splitlines()
    told = json.loads(line)
    assert told["path"] == "/etc/\\udcff"
    assert told["code_preview"] == "a = '\\ud800é'"


def test_a_code_with_line_breaks_is_one_line() -> None:
    assert lines_of("ex_1", "a\nb\u2028c", [SOCKET], 0.0).count(b"\n") == 1


def test_nothing_tried_is_no_line() -> None:
    assert lines_of("ex_1", "1", [], 0.0) == b""


def test_lines_are_counted_by_type_with_their_repeats() -> None:
    first = lines_of("ex_1", "1", [SOCKET, READ], 10.0).splitlines(keepends=True)
    later = lines_of("ex_2", "1", [READ], 20.0).splitlines(keepends=True)
    found = tally([*later, *first])
    assert (found.total, found.executions, found.unreadable) == (4, 2, 0)
    assert found.by_type == {"NETWORK_ACCESS_ATTEMPT": 2, "FILESYSTEM_ATTEMPT": 2}
    assert found.last is not None
    assert found.last.execution_id == "ex_2"


def test_of_lines_of_one_time_the_last_counts_as_the_last() -> None:
    lines = lines_of("ex_1", "1", [SOCKET, READ], 10.0).splitlines()
    found = tally(lines)
    assert found.last is not None
    assert found.last.violation_type is ViolationType.FILESYSTEM_ATTEMPT


def test_lines_that_are_none_are_counted_apart() -> None:
    found = tally([b"", b"{", b"{}", b'"\xff"', b'{"timestamp": 1}'])
    assert (found.total, found.unreadable, found.last) == (0, 5, None)
