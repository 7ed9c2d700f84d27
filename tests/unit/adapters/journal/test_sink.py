import errno
import json
from pathlib import Path

import pytest

from buddy.adapters.journal import FileSink
from buddy.adapters.journal.sink import BUFFER
from buddy.errors import ClosedStop
from buddy.journal.events import PlanStarted, Record
from unit.adapters.journal.faulty_disk import FaultyDisk


class Lines:
    """One line a record."""

    def __init__(self, line: bytes = b"%d\n") -> None:
        self.line = line

    def feed(self, record: Record) -> bytes:
        return self.line % record.seq if b"%" in self.line else self.line

    def close(self) -> bytes | None:
        return None


class Count:
    """How many records there were."""

    def __init__(self) -> None:
        self.seen = 0

    def feed(self, record: Record) -> bytes:
        self.seen += 1
        return b""

    def close(self) -> bytes | None:
        return json.dumps({"seen": self.seen}).encode()


def record(number: int) -> Record:
    return Record(number, "2026-01-01T00:00:00.000000+00:00", PlanStarted(plan="p", steps=1))


def test_lines_grow_and_wholes_appear_at_the_end(tmp_path: Path) -> None:
    sink = FileSink(tmp_path, {"log.jsonl": Lines(), "summary.json": Count()})
    assert (tmp_path / "log.jsonl").read_bytes() == b""
    sink.feed(record(1))
    sink.feed(record(2))
    sink.flush()
    assert (tmp_path / "log.jsonl").read_bytes() == b"1\n2\n"
    assert not (tmp_path / "summary.json").exists()
    sink.feed(record(3))
    sink.close()
    sink.close()
    assert (tmp_path / "log.jsonl").read_bytes() == b"1\n2\n3\n"
    assert json.loads((tmp_path / "summary.json").read_bytes()) == {"seen": 3}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl", "summary.json"]
    with pytest.raises(ClosedStop, match="closed"):
        sink.feed(record(4))


def test_a_full_buffer_is_written_without_being_asked(tmp_path: Path) -> None:
    line = b"x" * 1000 + b"\n"
    sink = FileSink(tmp_path, {"log.jsonl": Lines(line)})
    for number in range(1, 200):
        sink.feed(record(number))
        waiting = number * len(line) - (tmp_path / "log.jsonl").stat().st_size
        assert waiting < BUFFER
    assert (tmp_path / "log.jsonl").stat().st_size >= BUFFER
    sink.close()


def test_the_outputs_of_a_run_taken_up_again_begin_anew(tmp_path: Path) -> None:
    for records in (2, 3):
        sink = FileSink(tmp_path, {"log.jsonl": Lines(), "summary.json": Count()})
        for number in range(records):
            sink.feed(record(number + 1))
        sink.close()
    assert (tmp_path / "log.jsonl").read_bytes() == b"1\n2\n3\n"
    assert json.loads((tmp_path / "summary.json").read_bytes()) == {"seen": 3}


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_every_call_fails_once(tmp_path: Path, code: int) -> None:
    for fail_at in range(1, 100):
        folder = tmp_path / str(fail_at)
        folder.mkdir()
        (folder / "summary.json").write_bytes(b"old")
        disk = FaultyDisk(fail_at, code, torn=1)
        sink = FileSink(folder, {"log.jsonl": Lines(), "summary.json": Count()}, disk=disk)
        stopped = write_two_records(sink)
        if stopped is None:
            assert not disk.failed
            assert fail_at > 5
            return
        assert isinstance(stopped.__cause__, OSError)
        assert str(folder) in str(stopped)
        calls = len(disk.calls)
        with pytest.raises(ClosedStop):
            sink.feed(record(3))
        with pytest.raises(ClosedStop):
            sink.flush()
        sink.close()
        assert len(disk.calls) == calls, "a failed disk was asked again"
        assert b"1\n2\n".startswith((folder / "log.jsonl").read_bytes())
        assert (folder / "summary.json").read_bytes() in (b"old", b'{"seen": 2}')
        assert not list(folder.glob(".*"))
    pytest.fail("the scenario never ended")


def write_two_records(sink: FileSink) -> ClosedStop | None:
    try:
        sink.feed(record(1))
        sink.flush()
        sink.feed(record(2))
        sink.close()
    except ClosedStop as stopped:
        return stopped
    return None


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ClosedStop, match="writing an output"):
        FileSink(tmp_path / "gone", {"log.jsonl": Lines()})
