"""Credentials of a provider: from the environment, the system's keyring, or a private file."""

import json
import os
import stat
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from buddy.adapters.providers.base.errors import AuthError

FOLDER = "credentials"
"""The folder in Buddy's home with one file a provider, `{"token": ...}`."""
SERVICE = "buddy"
"""The service in the keyring; the name of an entry is PROVIDER/NAME."""
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Access(Struct, frozen=True, kw_only=True):
    """Where credentials are looked for.

    Attributes:
        environ: the environment.
        folder: Buddy's home; None looks for no file.
    """

    environ: Mapping[str, str]
    folder: Path | None = None


def variable(provider: str, name: str) -> str:
    """Return the environment variable of a credential: `BUDDY_GOHIGHLEVEL_TOKEN`."""
    return f"BUDDY_{provider}_{name}".upper()


def file_of(provider: str, access: Access) -> Path | None:
    """Return the file that may hold a provider's credentials."""
    return None if access.folder is None else access.folder / FOLDER / f"{provider}.json"


def load(
    provider: str, names: Sequence[str], access: Access, *, optional: Sequence[str] = ()
) -> dict[str, str]:
    """Return credentials by name.

    Args:
        provider: whose.
        names: that are needed.
        access: where to look: environment first, then keyring, then file.
        optional: that may be missing, and are left out then.

    Raises:
        AuthError: names all that are missing and where they could be; or the file is not private or not
            what it should be.
    """
    found = look(provider, (*names, *optional), access)
    missing = [name for name in names if name not in found]
    if missing:
        raise AuthError(_missing(provider, missing, access))
    return found


def address(provider: str, known: Mapping[str, str], default: str) -> str:
    """Return the address of a service, without a slash at its end.

    Args:
        provider: whose.
        known: its credentials, of which `base_url` replaces the default.
        default: the vendor's.

    Raises:
        AuthError: it is none.
    """
    found = known.get("base_url", default)
    try:
        parts = urlsplit(found)
        fits = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        fits = False
    if not fits:
        raise AuthError(f"{provider}: base_url: expected an address such as {default}, found {found!r}")
    return found.rstrip("/")


def look(provider: str, names: Sequence[str], access: Access) -> dict[str, str]:
    """Return those of some credentials that there are.

    Raises:
        AuthError: the file is not private or not what it should be.
    """
    found = {name: value for name in names if (value := access.environ.get(variable(provider, name)))}
    for name in names:
        if name not in found and (kept := _from_keyring(provider, name)):
            found[name] = kept
    if len(found) < len(names):
        stored = _from_file(file_of(provider, access))
        found = {name: stored[name] for name in names if name in stored} | found
    return found


def _missing(provider: str, names: Sequence[str], access: Access) -> str:
    wanted = " and ".join(f"{name} ({variable(provider, name)})" for name in names)
    file = file_of(provider, access)
    places = f"the environment, the keyring (service {SERVICE}, entry {provider}/NAME)"
    more = f" or {file}" if file else ""
    return f"{provider}: expected credentials, found no {wanted} in {places}{more}"


def _from_keyring(provider: str, name: str) -> str | None:
    try:
        keyring = import_module("keyring")
        failures: Any = import_module("keyring.errors").KeyringError
    except ImportError:
        return None
    try:
        return keyring.get_password(SERVICE, f"{provider}/{name}") or None
    except failures:  # no keyring on this machine is a place without credentials
        return None


def _from_file(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as problem:
        raise AuthError(f"{path}: cannot be read: {getattr(problem, 'strerror', problem)}") from problem
    with open(file, "rb") as source:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode) or about.st_mode & _OTHERS:
            raise AuthError(f"{path}: expected a file that only its owner can use; run chmod 600 on it")
        text = source.read()
    try:
        content = json.loads(text)
    except ValueError:
        content = None  # not chained: the foreign error carries the text
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise AuthError(
            f'{path}: expected a JSON object of texts such as {{"token": "..."}}, found another form'
        )
    return {name: value for name, value in content.items() if value}
