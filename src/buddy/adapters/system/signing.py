"""Ed25519 keys in files, and their signatures; with the optional package cryptography."""

import os
import stat
from importlib import import_module
from pathlib import Path
from typing import Any

from buddy.core.signing import PublicKey
from buddy.errors import BadInput

LIMIT = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_ED25519 = "cryptography.hazmat.primitives.asymmetric.ed25519"
_SERIALIZATION = "cryptography.hazmat.primitives.serialization"


class SigningKey:
    """A private key, which never leaves this object but for the file that `create` writes.

    Args:
        private: the key as the package has it.

    Attributes:
        public: its other half.
    """

    def __init__(self, private: Any) -> None:
        self._private = private
        self.public = PublicKey(private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"SigningKey({self.public.key_id})"

    def sign(self, message: bytes) -> bytes:
        """Return the signature over a message."""
        made: bytes = self._private.sign(message)
        return made


def _package(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as problem:
        raise BadInput(
            "signing needs the package cryptography; install it with `pip install 'buddy-control[sign]'`"
        ) from problem


def proves(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the owner of a key signed a message.

    Raises:
        BadInput: the package is not installed.
    """
    invalid = _package("cryptography.exceptions").InvalidSignature
    try:
        _package(_ED25519).Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (invalid, ValueError):
        return False
    return True


def create(path: Path) -> SigningKey:
    """Make a private key in a file (PEM, PKCS #8) that its owner alone can read.

    Raises:
        BadInput: there is such a file already, it cannot be written, or the package is not installed.
    """
    private = _package(_ED25519).Ed25519PrivateKey.generate()
    words = _package(_SERIALIZATION)
    pem = private.private_bytes(words.Encoding.PEM, words.PrivateFormat.PKCS8, words.NoEncryption())
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as problem:
        raise BadInput(
            f"{path}: expected no file there, found one; a key is never replaced, as what it signed needs it"
        ) from problem
    except OSError as problem:
        raise BadInput(f"{path}: the key cannot be written: {problem.strerror or problem}") from problem
    try:
        with open(file, "wb") as target:
            target.write(pem)
            target.flush()
            os.fsync(file)
    except OSError as problem:
        path.unlink(missing_ok=True)
        raise BadInput(f"{path}: the key cannot be written: {problem.strerror or problem}") from problem
    return SigningKey(private)


def load(path: Path) -> SigningKey:
    """Read a private key.

    Raises:
        BadInput: it cannot be read, others can use it, it is none, or the package is not installed; never
            with anything of the file's content.
    """
    data, shared = _private_bytes(path)
    kind, words = _package(_ED25519).Ed25519PrivateKey, _package(_SERIALIZATION)
    try:
        private = words.load_pem_private_key(data, password=None)
    except Exception:  # noqa: BLE001 - whatever the package thinks of these bytes, they are no key that it can use
        private = None
    if not isinstance(private, kind):
        found = "a public key, which cannot sign" if _is_public(data) else "something else"
        # Not chained: the foreign error may tell of the content.
        raise BadInput(
            f"{path}: expected an Ed25519 private key (PEM, PKCS #8, no password) as `buddy keys create`"
            f" makes it, found {found}"
        ) from None
    if shared:
        raise BadInput(f"{path}: others can use this private key; run chmod 600 on it")
    return SigningKey(private)


def _is_public(data: bytes) -> bool:
    return b"-----BEGIN PUBLIC KEY-----" in data or any(
        line.startswith(b"ed25519:") for line in data.splitlines()
    )


def _private_bytes(path: Path) -> tuple[bytes, bool]:
    """Return what a file holds, and whether others than its owner can use it."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with open(file, "rb") as source:
            about = os.fstat(file)
            if not stat.S_ISREG(about.st_mode):
                raise BadInput(f"{path}: expected a private key, found no regular file")
            return source.read(LIMIT), bool(about.st_mode & _OTHERS)
    except FileNotFoundError as problem:
        raise BadInput(
            f"{path}: expected a private key, found nothing there; `buddy keys create` makes one, and"
            " `signing_key` (BUDDY_SIGNING_KEY) says where it is"
        ) from problem
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise BadInput(f"{path}: the private key cannot be read: {reason}") from problem
