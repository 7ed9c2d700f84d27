import subprocess
import sys
from pathlib import Path

import pytest

from buddy.adapters.sandbox import log
from buddy.core.violations import tally
from buddy.errors import ClosedStop
from buddy.model.sandbox import Layer, Violation, ViolationType

ONE = Violation(
    type=ViolationType.SUBPROCESS_ATTEMPT,
    details="it tried to start a process",
    layer=Layer.KERNEL,
    authoritative=True,
    syscall="clone",
)
WRITERS, TIMES = 4, 50
SCRIPT = """
import sys
from pathlib import Path
from buddy.adapters.sandbox import log
from buddy.model.sandbox import Layer, Violation, ViolationType
one = Violation(type=ViolationType.TIMEOUT, details="x" * 3_000, layer=Layer.SUPERVISOR, authoritative=True)
for number in range(int(sys.argv[3])):
    log.write(Path(sys.argv[1]), f"{sys.argv[2]}-{number}", "1", [one, one, one], 0.0)
"""


def test_a_log_is_made_with_its_folder_and_grows(tmp_path: Path) -> None:
    path = tmp_path / "home" / "log.jsonl"
    log.write(path, "ex_1", "1", [ONE], 0.0)
    log.write(path, "ex_2", "1", [ONE, ONE], 0.0)
    assert tally(path.read_bytes().splitlines()).executions == 2
    assert path.read_bytes().count(b"\n") == 3
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700


def test_what_tried_nothing_makes_no_file(tmp_path: Path) -> None:
    log.write(tmp_path / "log.jsonl", "ex_1", "1", [], 0.0)
    assert list(tmp_path.iterdir()) == []


def test_writers_at_once_leave_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    words = [sys.executable, "-c", SCRIPT, str(path)]
    writers = [subprocess.Popen([*words, f"w{number}", str(TIMES)]) for number in range(WRITERS)]
    assert [one.wait(30) for one in writers] == [0] * WRITERS
    found = tally(path.read_bytes().splitlines())
    assert (found.total, found.unreadable) == (WRITERS * TIMES * 3, 0)
    assert found.executions == WRITERS * TIMES


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"timestamp": "2026')
    log.write(path, "ex_1", "1", [ONE], 0.0)
    found = tally(path.read_bytes().splitlines())
    assert (found.total, found.unreadable) == (1, 1)


def test_a_full_disk_stops_and_takes_nothing_back_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.jsonl"
    log.write(path, "ex_1", "1", [ONE], 0.0)
    before = path.read_bytes()
    real = log.os.write
    monkeypatch.setattr(log.os, "write", lambda file, data: real(file, data[:10]))
    with pytest.raises(ClosedStop, match=r"log\.jsonl: writing the violation log failed .*ex_2"):
        log.write(path, "ex_2", "1", [ONE], 0.0)
    assert path.read_bytes() == before


@pytest.mark.parametrize("place", ["/dev/full", "folder"])
def test_a_place_that_takes_no_line_stops(place: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ClosedStop, match="writing the violation log failed"):
        log.write(tmp_path / place, "ex_1", "1", [ONE], 0.0)
