"""Secrets that a plan names and never holds: `env:NAME`, `file:PATH`, `keyring:SERVICE/NAME`."""

import os
import stat
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from buddy.errors import InvalidArguments

LIMIT = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class EnvSecrets:
    """Looks secrets up in the environment, in private files and in the keyring; `ports.Secrets`.

    Args:
        environ: where `env:` looks; the process's environment where it is left out.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._sources = {"env": self._from_env, "file": self._from_file, "keyring": self._from_keyring}

    def resolve(self, reference: str) -> str:
        """Return the secret.

        Raises:
            InvalidArguments: naming what is missing; never the secret.
        """
        scheme, colon, place = reference.partition(":")
        source = self._sources.get(scheme)
        if source is None or not colon or not place:
            # The reference is not shown: it may be the secret itself, written there by mistake.
            raise InvalidArguments("this $secret is none of env:NAME, file:PATH and keyring:SERVICE/NAME")
        return source(place)

    def _from_env(self, name: str) -> str:
        value = self._environ.get(name)
        if not value:
            raise InvalidArguments(f"the secret env:{name} is missing: the environment has no {name}")
        return value

    def _from_file(self, place: str) -> str:
        try:
            file = os.open(Path(place).expanduser(), os.O_RDONLY | os.O_NONBLOCK)
            with open(file, "rb") as source:
                about = os.fstat(file)
                if not stat.S_ISREG(about.st_mode):
                    raise InvalidArguments(f"the secret file:{place} is not a regular file")
                if about.st_mode & _OTHERS:
                    raise InvalidArguments(
                        f"the secret file:{place} can be used by others; run chmod 600 on it"
                    )
                data = source.read(LIMIT + 1)
        except (OSError, ValueError, RuntimeError) as problem:
            reason = getattr(problem, "strerror", None) or problem
            raise InvalidArguments(f"the secret file:{place} cannot be read: {reason}") from problem
        if len(data) > LIMIT:
            raise InvalidArguments(f"the secret file:{place} is longer than {LIMIT:,} bytes")
        try:
            value = data.decode()
        except UnicodeDecodeError:
            # Not chained: the foreign error carries the bytes.
            raise InvalidArguments(f"the secret file:{place} is not UTF-8 text") from None
        value = value.removesuffix("\n").removesuffix("\r")
        if not value:
            raise InvalidArguments(f"the secret file:{place} is empty")
        return value

    def _from_keyring(self, place: str) -> str:
        service, slash, name = place.rpartition("/")
        if not (service and slash and name):
            raise InvalidArguments(f"the secret keyring:{place} is not keyring:SERVICE/NAME")
        try:
            keyring = import_module("keyring")
            failures = import_module("keyring.errors").KeyringError
        except ImportError as problem:
            raise InvalidArguments(
                f"the secret keyring:{place} needs the package keyring; install it with"
                " `pip install 'buddy-control[keyring]'`"
            ) from problem
        try:
            value = keyring.get_password(service, name)
        except failures as problem:
            kind = type(problem).__name__
            raise InvalidArguments(f"the secret keyring:{place} cannot be read: {kind}") from problem
        if not value:
            raise InvalidArguments(f"the secret keyring:{place} is missing: the keyring has no such entry")
        return str(value)
