"""Large results, kept beside the journal under the SHA-256 of their bytes."""

import hashlib
import re
from pathlib import Path

from buddy.adapters.journal.disk import Disk, write_whole
from buddy.errors import JournalDamaged

FOLDER = "blobs"
_DIGEST = re.compile(r"[0-9a-f]{64}")


def write(folder: Path, data: bytes, disk: Disk) -> str:
    """Keep bytes, durable when this returns; returns their SHA-256.

    Raises:
        OSError: the disk refused.
    """
    digest = hashlib.sha256(data).hexdigest()
    blobs = folder / FOLDER
    if not blobs.is_dir():
        blobs.mkdir(exist_ok=True)
        disk.sync_folder(folder)
    path = blobs / digest
    if not path.exists():
        write_whole(disk, path, data)
    return digest


def read(folder: Path, digest: str) -> bytes:
    """Return the bytes with this SHA-256.

    Raises:
        JournalDamaged: they are missing, cannot be read, or are not what was written.
    """
    if not _DIGEST.fullmatch(digest):
        # A journal is not trusted to name a file outside of the folder.
        raise JournalDamaged(f"the journal names a result by {digest[:80]!r}, which is no SHA-256")
    path = folder / FOLDER / digest
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise JournalDamaged(
            f"the result in {path} cannot be read: {problem.strerror or problem}"
        ) from problem
    if hashlib.sha256(data).hexdigest() != digest:
        raise JournalDamaged(f"the result in {path} is not what was written: its SHA-256 is another")
    return data
