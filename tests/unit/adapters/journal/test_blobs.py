import hashlib
from pathlib import Path

import pytest

from buddy.adapters.journal import FileJournal
from buddy.errors import JournalDamaged
from unit.adapters.journal.faulty_disk import FaultyDisk
from unit.adapters.journal.journals import LARGE


class TestBlobs:
    def test_a_large_result_is_kept_by_its_digest(self, folder: Path) -> None:
        journal = FileJournal.create(folder)
        digest = journal.write_blob(LARGE)
        assert digest == hashlib.sha256(LARGE).hexdigest()
        assert journal.write_blob(LARGE) == digest
        assert journal.read_blob(digest) == LARGE
        assert [path.name for path in (folder / "blobs").iterdir()] == [digest]
        journal.close()

    def test_it_is_durable_before_it_has_its_name(self, folder: Path) -> None:
        disk = FaultyDisk()
        journal = FileJournal.create(folder, disk=disk)
        before = len(disk.calls)
        journal.write_blob(LARGE)
        assert disk.calls[before:] == ["sync_folder", "write", "sync", "rename", "sync_folder"]
        journal.close()

    def test_another_content_is_refused(self, folder: Path) -> None:
        journal = FileJournal.create(folder)
        digest = journal.write_blob(LARGE)
        (folder / "blobs" / digest).write_bytes(LARGE[:-1])
        with pytest.raises(JournalDamaged, match="not what was written"):
            journal.read_blob(digest)
        (folder / "blobs" / digest).unlink()
        with pytest.raises(JournalDamaged, match="cannot be read"):
            journal.read_blob(digest)
        journal.close()

    @pytest.mark.parametrize("digest", ["", "../journal.jsonl", "/etc/hostname", "A" * 64, "0" * 64 + "/.."])
    def test_a_digest_cannot_lead_elsewhere(self, folder: Path, digest: str) -> None:
        journal = FileJournal.create(folder)
        with pytest.raises(JournalDamaged, match="no SHA-256"):
            journal.read_blob(digest)
        journal.close()
