import errno
import os
from pathlib import Path

import pytest

from buddy.adapters.journal import FileJournal
from buddy.errors import ClosedStop
from unit.adapters.journal.faulty_disk import FaultyDisk
from unit.adapters.journal.journals import LARGE, TIME, event, lines_of, plans


def scenario(folder: Path, disk: FaultyDisk) -> tuple[FileJournal | None, int]:
    """Write until something fails; returns how many lines were promised to be durable."""
    durable = 0
    journal = None
    try:
        journal = FileJournal.create(folder, disk=disk)
        for number in range(6):
            journal.append(event(number), TIME)
            if number in (0, 2, 3, 5):
                if number == 3:
                    journal.write_blob(LARGE)
                journal.flush()
                durable = number + 1
    except ClosedStop as stopped:
        caused_by_the_disk = isinstance(stopped.__cause__, OSError)
        assert caused_by_the_disk
        assert disk.failed
    return journal, durable


def count_calls(folder: Path) -> int:
    disk = FaultyDisk()
    journal, _ = scenario(folder, disk)
    assert journal is not None
    journal.close()
    return len(disk.calls)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("torn", [0, 1, 60, 10_000])
def test_every_call_fails_once_and_what_was_promised_is_there(tmp_path: Path, code: int, torn: int) -> None:
    calls = count_calls(tmp_path / "whole")
    assert calls > 10
    for fail_at in range(1, calls + 1):
        folder = tmp_path / f"run_{fail_at}"
        disk = FaultyDisk(fail_at, code, torn, chunk=700)
        journal, durable = scenario(folder, disk)
        if not disk.failed:
            assert journal is not None
            journal.close()
            continue
        at_failure = len(disk.calls)
        if journal is not None:
            assert_poisoned(journal, folder)
        assert len(disk.calls) == at_failure, "a failed disk was asked again"
        assert journal is None or journal.durable.seq == durable
        assert_prefix(folder, durable)


def assert_poisoned(journal: FileJournal, folder: Path) -> None:
    said = set()
    for attempt in (
        lambda: journal.append(event(9), TIME),
        journal.flush,
        lambda: journal.write_blob(b"more"),
        journal.flush,
    ):
        with pytest.raises(ClosedStop, match="buddy resume") as caught:
            attempt()
        said.add(str(caught.value))
    assert len(said) == 1
    assert str(folder) in said.pop()
    journal.close()


def assert_prefix(folder: Path, durable: int) -> None:
    content = (folder / "journal.jsonl").read_bytes()
    assert b"".join(lines_of(6)).startswith(content)
    if not content.count(b"\n"):
        assert durable == 0
        return
    journal = FileJournal.open(folder)
    assert journal.head.seq >= durable
    for number in range(journal.head.seq, 6):
        journal.append(event(number), TIME)
    journal.close()
    assert plans(folder) == list(range(6))
    for blob in (folder / "blobs").glob("*"):
        if not blob.name.endswith(".tmp"):
            assert blob.read_bytes() == LARGE


def test_the_sentence_names_cause_and_remedy(folder: Path) -> None:
    journal = FileJournal.create(folder)
    journal._disk = FaultyDisk(1, errno.ENOSPC)
    journal.append(event(0), TIME)
    with pytest.raises(ClosedStop) as caught:
        journal.flush()
    assert os.strerror(errno.ENOSPC) in str(caught.value)
    assert "free some space" in str(caught.value)
    assert "the run stopped" in str(caught.value)
    journal.close()


def test_a_real_full_device(folder: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    journal = FileJournal.create(folder)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, journal._file)
    os.close(full)
    journal.append(event(0), TIME)
    with pytest.raises(ClosedStop, match="free some space"):
        journal.flush()
    journal.close()
