"""Secrets out of everything that is written down: errors, previews, logs."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

HIDDEN = "***"
LONGEST = 4_000
"""Characters of a raw body that are kept."""

_NAMES = (
    r"authorization|cookie|set-cookie|access_?token|refresh_?token|id_?token|client_?secret|"
    r"client_?assertion|password|passwd|secret|api_?key|code_?verifier|device_?code"
)
_KEY = re.compile(rf"^(?:{_NAMES})$", re.IGNORECASE)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_PAIR = re.compile(rf"(?i)(\b(?:{_NAMES})\b[\"']?\s*[=:]\s*[\"']?)([^\s&\"',;]+)")


def text(value: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without these secrets, and without what is named like one."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        value = value.replace(secret, HIDDEN)
    return _PAIR.sub(rf"\1{HIDDEN}", _BEARER.sub(rf"\1 {HIDDEN}", value))


def value(found: Any, secrets: Iterable[str] = ()) -> Any:
    """Return a JSON value without these secrets, and without the values of keys that are named like one."""
    known = tuple(secrets)
    if isinstance(found, str):
        return text(found, known)
    if isinstance(found, Mapping):
        return {
            text(str(key), known): HIDDEN
            if _KEY.match(str(key)) and entry is not None
            else value(entry, known)
            for key, entry in found.items()
        }
    if isinstance(found, list | tuple):
        return [value(entry, known) for entry in found]
    return found
