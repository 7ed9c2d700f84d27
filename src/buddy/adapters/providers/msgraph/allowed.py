"""What DRY_RUN lets through besides GET and HEAD: signing in."""

from collections.abc import Collection

ALLOWED: Collection[tuple[str, str]] = (
    ("POST", "/{tenant}/oauth2/v2.0/token"),
    ("POST", "/{tenant}/oauth2/v2.0/devicecode"),
)
