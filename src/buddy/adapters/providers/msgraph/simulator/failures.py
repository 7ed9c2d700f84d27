"""What the vendor answers when it refuses, in the vendor's words."""

from typing import NoReturn


class GraphFailure(Exception):
    """A request that Graph refuses.

    Args:
        status: of HTTP.
        code: machine-readable reason.
        message: sentence for people.
        headers: more headers of the answer.
    """

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}
        super().__init__(f"{status} {code}: {message}")


def refuse(status: int, code: str, message: str) -> NoReturn:
    """Raise what ends a request."""
    raise GraphFailure(status, code, message)


def not_found() -> NoReturn:
    """Say that an item or folder is not in the mailbox (any more)."""
    refuse(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def malformed_id() -> NoReturn:
    """Say that what stands for an id is none."""
    refuse(400, "ErrorInvalidIdMalformed", "Id is malformed.")


def no_property(name: str) -> NoReturn:
    """Say that a query names a property that messages do not have."""
    message = f"Parsing OData Select and Expand failed: Could not find a property named '{name}' on type "
    refuse(400, "RequestBroker--ParseUri", f"{message}'microsoft.graph.message'.")


def bad_query(message: str) -> NoReturn:
    """Say that a query option cannot be read."""
    refuse(400, "BadRequest", message)


def bad_body(message: str) -> NoReturn:
    """Say that a request's body cannot be read."""
    refuse(400, "RequestBodyRead", message)


def denied() -> NoReturn:
    """Say that the token does not carry the permission."""
    refuse(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")


def no_recipients(message: str = "") -> NoReturn:
    """Say that a message cannot be sent to whom it names."""
    why = message or "A message can't be sent because it contains no recipients."
    refuse(400, "ErrorInvalidRecipients", f"At least one recipient isn't valid., {why}")
