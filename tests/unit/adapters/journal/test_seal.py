from pathlib import Path

import pytest

from buddy.adapters.journal import FileJournal, seal
from buddy.errors import BadInput, ClosedStop
from buddy.journal.events import LockSeen
from unit.adapters.journal.faulty_disk import FaultyDisk


@pytest.fixture
def run(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_lines_are_added_one_after_another(run: Path) -> None:
    assert seal.read(run) is None
    seal.add(run, b"one\n")
    seal.add(run, b"two\n")
    assert seal.read(run) == b"one\ntwo\n"


def test_a_line_that_was_cut_while_being_written_is_taken_away(run: Path) -> None:
    (run / "head.sig").write_bytes(b"one\ntw")
    seal.add(run, b"three\n")
    assert seal.read(run) == b"one\nthree\n"


def test_it_is_durable_with_its_name(run: Path) -> None:
    disk = FaultyDisk(chunk=2)
    seal.add(run, b"one\n", disk=disk)
    assert disk.calls == ["write", "write", "sync", "sync_folder"]
    seal.add(run, b"two\n", disk=disk)
    assert disk.calls[4:] == ["write", "write", "sync"]


@pytest.mark.parametrize("fail_at", [1, 2, 3])
def test_a_disk_that_fails_stops_closed_and_the_next_time_is_whole(run: Path, fail_at: int) -> None:
    with pytest.raises(ClosedStop, match="signing the run failed"):
        seal.add(run, b"one\n", disk=FaultyDisk(fail_at, torn=2))
    seal.add(run, b"two\n")
    assert (seal.read(run) or b"").splitlines()[-1] == b"two"


def test_it_does_not_follow_a_link(run: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"")
    (run / "head.sig").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ClosedStop):
        seal.add(run, b"one\n")
    assert (tmp_path / "elsewhere").read_bytes() == b""


def test_what_is_no_file_is_none(run: Path) -> None:
    (run / "head.sig").mkdir()
    assert seal.read(run) is None
    with pytest.raises(ClosedStop):
        seal.add(run, b"one\n")


def test_one_that_cannot_be_read_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seal.add(run, b"one\n")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(BadInput, match=r"head\.sig cannot be read: Permission denied"):
        seal.read(run)


def test_only_a_head_that_the_disk_has_is_kept(folder: Path) -> None:
    disk = FaultyDisk()
    journal = FileJournal.create(folder, disk=disk)
    journal.append(LockSeen(epoch=1, engaged=True, by="a", reason="b"), "2030-01-01T00:00:00+00:00")
    first = journal.head
    assert not seal.is_kept(folder, first)
    journal.flush()
    assert seal.is_kept(folder, first)
    journal.append(LockSeen(epoch=2, engaged=False, by="a", reason="x" * 300), "2030-01-01T00:00:00+00:00")
    disk.fail_at = len(disk.calls) + 1
    with pytest.raises(ClosedStop):
        journal.flush()
    assert not seal.is_kept(folder, journal.head)
    journal.close()
    (folder / "journal.jsonl").unlink()
    assert not seal.is_kept(folder, first)
