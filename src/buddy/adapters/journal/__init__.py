"""A run's folder: the journal, its large results, and the outputs."""

from buddy.adapters.journal.file import FileJournal, read
from buddy.adapters.journal.scribe import ScribeSink
from buddy.adapters.journal.sink import FileSink

__all__ = ["FileJournal", "FileSink", "ScribeSink", "read"]
