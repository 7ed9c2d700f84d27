"""The files beside a journal that it knows by their SHA-256: its plans and its large results."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator

from buddy.core.audit import Violation
from buddy.errors import BuddyError
from buddy.journal.events import Outcome, Record, Rung, RunStarted
from buddy.ports import PLANS

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Beside:
    """Holds the files beside a journal against it, each looked at once.

    Args:
        files: name -> content, None where there is no such file.
        blobs: digest -> large result; raises `BuddyError` or `LookupError` where it cannot be had.
    """

    def __init__(self, files: Callable[[str], bytes | None], blobs: Callable[[str], bytes]) -> None:
        self._files = files
        self._blobs = blobs
        self._seen = {""}

    def feed(self, record: Record) -> Iterator[Violation]:
        """Return what a record says of a file and does not hold."""
        event = record.event
        if isinstance(event, RunStarted) and event.plans_sha256:
            wrong = self._plans(event.plans_sha256)
            if wrong:
                yield Violation(rule="plans_differ", seq=record.seq, message=wrong)
        elif isinstance(event, Rung | Outcome) and event.result_blob not in self._seen:
            self._seen.add(event.result_blob)
            rule, message = self._result(event.result_blob)
            if rule:
                yield Violation(rule=rule, seq=record.seq, plan=event.plan, step=event.step, message=message)

    def _plans(self, digest: str) -> str:
        data = self._files(PLANS)
        if data is None:
            return f"{PLANS} is not there"
        same = hashlib.sha256(data).hexdigest() == digest
        return "" if same else f"{PLANS} does not hold the plans that the run began with"

    def _result(self, digest: str) -> tuple[str, str]:
        """Return the check that a large result fails, and how; empty where it is what was written."""
        if not _SHA256.fullmatch(digest):
            # A journal is not trusted to name a file.
            return "blob_differs", f"{digest[:80]!r} is no SHA-256"
        try:
            data = self._blobs(digest)
        except (BuddyError, LookupError) as problem:
            return "blob_missing", f"the result {digest} cannot be had: {problem}"
        same = hashlib.sha256(data).hexdigest() == digest
        return ("", "") if same else ("blob_differs", f"the result {digest} is not what was written")

    def finish(self) -> Iterable[Violation]:
        """Return nothing: what no record tells of is not known here."""
        return ()
