"""What client and simulator both know of the vendor's interface."""

import re
from collections.abc import Mapping
from typing import Any

from buddy.adapters.providers.base.errors import (
    Conflict,
    NotFound,
    ProviderError,
    by_status,
)

BASE_URL = "https://services.leadconnectorhq.com"
VERSION = "2021-07-28"
"""The dialect that the client speaks unless it is told to speak `v3`."""

READS = (("POST", "/contacts/search"),)
"""What reads besides GET and HEAD."""
SIGNS_IN = (("POST", "/oauth/token"),)
"""What gets a token, which DRY_RUN lets through as well."""

_GONE = re.compile(r"contact\b.*\bnot found", re.IGNORECASE)
"""What is said of an unknown contact; of a location or a field it does not mean that a contact is gone."""


def meaning(status: int, body: Any) -> tuple[type[ProviderError], str]:
    """Return what an answer means, and its words: an unknown contact and a duplicate are 400 here."""
    said = body.get("message") if isinstance(body, Mapping) else body
    words = "; ".join(map(str, said)) if isinstance(said, list) else str(said)[:300]
    kind = by_status(status)
    if status == 400 and _GONE.match(words):
        kind = NotFound
    elif status == 400 and isinstance(body, Mapping) and "matchingField" in (body.get("meta") or {}):
        meta = body["meta"]
        kind = Conflict
        words = f"{words} Contact {meta.get('contactId')} has the same {meta.get('matchingField')}."
    return kind, words
