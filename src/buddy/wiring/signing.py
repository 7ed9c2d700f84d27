"""Keys, and what a run signs and is held against."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from msgspec import Struct
from msgspec.structs import replace

from buddy.adapters.home import home_folder
from buddy.adapters.journal import seal
from buddy.adapters.journal.file import NAME
from buddy.adapters.system import signing
from buddy.core.signing import PublicKey, Signatures, public_key, public_keys, signed
from buddy.engine.verification import Report
from buddy.errors import BadInput, JournalDamaged
from buddy.journal.codec import Head
from buddy.journal.times import iso
from buddy.model.config import ExecutionConfig
from buddy.ports import Clock, HomeStore
from buddy.projections.phrases import quoted

KEY_FILE = "signing.pem"


class KeyTold(Struct, frozen=True, kw_only=True):
    """A key as it is shown.

    Attributes:
        public_key: what `buddy verify --key` takes.
        key_id: what signatures call it by.
        file: where the private half is.
    """

    public_key: str
    key_id: str
    file: str


def create_key(out: str | None) -> KeyTold:
    """Make a private key in a file, in the home where none is named."""
    path = Path(out).expanduser() if out else home_folder(os.environ) / KEY_FILE
    return _told(signing.create(path), path)


def show_key(file: str | None, config: ExecutionConfig) -> KeyTold:
    """Tell of the private key in a file: the one named, else the one that runs sign with, else the home's."""
    chosen = file or config.signing_key
    path = Path(chosen).expanduser() if chosen else home_folder(os.environ) / KEY_FILE
    return _told(signing.load(path), path)


def _told(key: signing.SigningKey, path: Path) -> KeyTold:
    return KeyTold(public_key=str(key.public), key_id=key.public.key_id, file=str(path.absolute()))


class Seal:
    """Signs the head of a run each time that it comes to rest.

    Args:
        config: of the run; where it names no key nothing is signed.
        clock: of the run.

    Raises:
        BadInput: the key cannot be used.
    """

    def __init__(self, config: ExecutionConfig, clock: Clock) -> None:
        self._key = None if config.signing_key is None else signing.load(Path(config.signing_key))
        self._clock = clock

    def agree(self, folder: Path, run_id: str, store: HomeStore) -> None:
        """Refuse to go on with a run that is not the one that the home, or the key that signs, knows.

        A folder from before its last rest would act again where the run has acted since; and what somebody
        wrote anew would be covered by the next signature.

        Args:
            folder: of the run. That each line follows from the one before it is checked by who opens it.
            run_id: of the run.
            store: the home, which keeps the run's head.

        Raises:
            BadInput: the journal ends before the line that the home knows of.
            JournalDamaged: the journal is not what was signed with this key, or not what the home knows.
        """
        kept = {row.run_id: row.head for row in store.runs()}.get(run_id, Head())
        keys = () if self._key is None else (self._key.public,)
        earlier = Signatures(seal.read(folder) if keys else None, keys, signing.proves)
        number = 0
        with (folder / NAME).open("rb") as lines:
            for number, line in enumerate(earlier.watch(lines), 1):
                if number == kept.seq and kept.hash.encode() not in line:
                    _refuse(f"line {number} is not the one that the home knows of", folder, number)
        whole(folder, number, kept)
        for found in earlier.contradictions():
            _refuse(found.message, folder, found.seq)

    def sign(self, folder: Path, run_id: str, head: Head) -> None:
        """Add the signed head to `head.sig`, where the journal on the disk ends with it.

        Raises:
            ClosedStop: it cannot be written.
        """
        if self._key is not None and seal.is_kept(folder, head):
            time = iso(self._clock.now())
            seal.add(folder, signed(run_id, head, time, self._key.public, self._key.sign))


def whole(folder: Path, lines: int, kept: Head) -> None:
    """Refuse a journal that ends before the line that the home knows of.

    Args:
        folder: of the run.
        lines: that the journal has.
        kept: where the home knows that it ended.

    Raises:
        BadInput: it is too short.
    """
    if lines < kept.seq:
        raise BadInput(
            f"{folder / NAME}: expected {kept.seq:,} lines, as the home knows of, found {lines:,}: it was cut"
            " off, or it is an old copy, and what was done since is not in it; put the whole journal back;"
            f" `buddy verify {quoted(str(folder))}` says more"
        )


def _refuse(found: str, folder: Path, line: int) -> NoReturn:
    told = "the run does not go on, as what it signed next would cover that too"
    see = f"see `buddy verify {quoted(str(folder))} --key ...`"
    raise JournalDamaged(f"{folder / NAME}: {found}; {told}; {see}", line)


def placed(config: ExecutionConfig) -> ExecutionConfig:
    """Return the configuration with the whole path of its key, so that the run finds it from any folder."""
    if config.signing_key is None:
        return config
    return replace(config, signing_key=str(Path(config.signing_key).expanduser().absolute()))


def here(config: ExecutionConfig, chosen: str | None = None) -> ExecutionConfig:
    """Return the configuration of a run that goes on: where the key is now comes before where it was.

    Args:
        config: that the run began with.
        chosen: the key that a configuration file named for going on says.
    """
    return replace(config, signing_key=chosen or os.environ.get("BUDDY_SIGNING_KEY") or config.signing_key)


def signatures_of(folder: Path, keys: Sequence[str]) -> Signatures | None:
    """Return the signed heads of a run, to be held against its journal; None where no key is given.

    Args:
        folder: of the run.
        keys: public keys, or files of them.

    Raises:
        BadInput: one is no public key, or the file of signatures cannot be read.
    """
    if not keys:
        return None
    known = [key for given in keys for key in _given(given)]
    return Signatures(seal.read(folder), known, signing.proves)


def _given(given: str) -> Iterable[PublicKey]:
    if given.startswith("ed25519:"):
        return (public_key(given, "--key"),)
    try:
        with open(os.open(given, os.O_RDONLY | os.O_NONBLOCK), "rb") as source:
            text = source.read(signing.LIMIT).decode()
    except (OSError, UnicodeDecodeError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is no text"
        raise BadInput(f"--key {given}: expected a public key or a file of them: {reason}") from None
    if "PRIVATE KEY-----" in text:
        raise BadInput(
            f"--key {given}: expected a public key or a file of them, found a private key, which only"
            f" signs; `buddy keys show {quoted(given)}` prints its public half"
        )
    return public_keys(text, given)


def with_signatures(report: Report, found: Signatures | None) -> Report:
    """Return a report with what the signatures say; they have watched the journal to its end."""
    if found is None:
        return report
    wrong = tuple(found.finish(report.run_id))
    return replace(report, violations=(*report.violations, *wrong), signatures_checked=len(found.heads))
