"""What goes over the wire: the fields of a contact, how they are checked, and the two dialects.

Stored contacts have the names of the dialect `v3`; `2021-07-28` differs in the keys of `dndSettings`, in the
spelling of `succeded`, and in what a created contact shows.
"""

import re
from collections.abc import Mapping
from typing import Any

OLD, V3 = "2021-07-28", "v3"
DIALECTS = (OLD, V3)

TEXTS = (
    "firstName", "lastName", "name", "email", "phone", "address1", "city", "state", "postalCode", "website",
    "timezone", "source", "dateOfBirth", "country", "companyName", "assignedTo", "gender",
)  # fmt: skip
NOT_NULL = frozenset({"postalCode", "gender", "source", "dateOfBirth", "assignedTo"})
_SHARED = frozenset({*TEXTS, "dnd", "dndSettings", "inboundDndSettings", "tags", "customFields"})
CREATE = _SHARED | {"locationId"}
UPSERT = CREATE | {"createNewIfDuplicateAllowed"}
UPDATE = _SHARED - {"companyName", "gender"}

DND = {"call": "Call", "email": "Email", "sms": "SMS", "whatsApp": "WhatsApp", "gmb": "GMB", "fb": "FB"}
"""Channel in `v3` -> in `2021-07-28`."""
DND_STATUSES = ("active", "inactive", "permanent")

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_HIDDEN = ("followers", "gender", "inboundDndSettings")
_HIDDEN_WHEN_CREATED = ("name", "timezone", "lastActivity")


class Refusal(Exception):
    """An answer that is no success.

    Args:
        status: of HTTP.
        message: one sentence, or for 422 a list.
        more: besides `statusCode` and `message`.
    """

    def __init__(self, status: int, message: str | list[str], **more: Any) -> None:
        super().__init__(str(message))
        self.status = status
        self.body = {"statusCode": status, "message": message, **more}


def unprocessable(problems: list[str]) -> Refusal:
    """Return the vendor's answer to a body that does not fit."""
    return Refusal(422, problems, error="Unprocessable Entity")


def checked(body: Any, allowed: frozenset[str], dialect: str) -> dict[str, Any]:
    """Return a body's fields as they are stored.

    Args:
        body: as it came.
        allowed: the fields that the call takes.
        dialect: of the request.

    Raises:
        Refusal: 422 with everything that is wrong.
    """
    if not isinstance(body, dict):
        raise unprocessable(["the body must be an object"])
    problems = [f"property {name} should not exist" for name in body if name not in allowed]
    if "locationId" in allowed and not (isinstance(body.get("locationId"), str) and body["locationId"]):
        problems += ["locationId should not be empty", "locationId must be a string"]
    fields: dict[str, Any] = {}
    for name, value in body.items():
        if name in allowed:
            found = _problem(name, value, dialect)
            problems += [found] if found else []
            fields[name] = value
    if problems:
        raise unprocessable(problems)
    return _stored(fields, dialect)


def _problem(name: str, value: Any, dialect: str) -> str:
    if name in TEXTS or name == "locationId":
        return _text_problem(name, value)
    if name in ("dnd", "createNewIfDuplicateAllowed"):
        return "" if isinstance(value, bool) else f"{name} must be a boolean value"
    if name == "tags":
        fits = isinstance(value, list) and all(isinstance(tag, str) for tag in value)
        return "" if fits else "each value in tags must be a string"
    if name == "customFields":
        fits = isinstance(value, list) and all(_is_field(entry) for entry in value)
        return "" if fits else "customFields must be an array of objects with id or key"
    channels = ("all",) if name == "inboundDndSettings" else tuple(DND if dialect == V3 else DND.values())
    return _dnd_problem(name, value, channels)


def _text_problem(name: str, value: Any) -> str:
    if value is None:
        return f"{name} must be a string" if name in NOT_NULL else ""
    if not isinstance(value, str):
        return f"{name} must be a string"
    if name == "email" and value and not _EMAIL.fullmatch(value):
        return "email must be an email"
    if name == "phone" and value and not re.search(r"\d", value):
        return "phone must be a valid phone number"
    return ""


def _is_field(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    named = any(isinstance(entry.get(key), str) and entry[key] for key in ("id", "key"))
    named = named and all(isinstance(entry[key], str) for key in ("id", "key") if key in entry)
    return named and entry.keys() <= {"id", "key", "field_value", "fieldValue"}


def _dnd_problem(name: str, value: Any, channels: tuple[str, ...]) -> str:
    if not isinstance(value, dict):
        return f"{name} must be an object"
    for channel, setting in value.items():
        if channel not in channels:
            return f"{name}.property {channel} should not exist"
        if not isinstance(setting, dict) or setting.get("status") not in DND_STATUSES:
            return f"{name}.{channel}.status must be one of the following values: {', '.join(DND_STATUSES)}"
    return ""


def _stored(fields: dict[str, Any], dialect: str) -> dict[str, Any]:
    stored = dict(fields)
    if dialect == OLD and "dndSettings" in stored:
        ours = {theirs: key for key, theirs in DND.items()}
        stored["dndSettings"] = {ours[key]: value for key, value in stored["dndSettings"].items()}
    if isinstance(stored.get("phone"), str):
        stored["phone"] = phone(stored["phone"])
    if "tags" in stored:
        stored["tags"] = list(dict.fromkeys(tag.strip().lower() for tag in stored["tags"]))
    if stored.get("name") and not stored.get("firstName"):
        first, _, last = stored["name"].strip().partition(" ")
        stored["firstName"] = first
        stored.setdefault("lastName", last or None)
    stored.pop("name", None)
    return stored


def phone(text: str) -> str:
    """Return a phone number in the form in which they are compared: `+` and digits, ten of them in the US."""
    digits = re.sub(r"\D", "", text)
    if not digits:
        return ""
    return f"+1{digits}" if len(digits) == 10 and not text.strip().startswith("+") else f"+{digits}"


def full_name(contact: Mapping[str, Any]) -> str:
    """Return first and last name."""
    return " ".join(filter(None, (contact.get("firstName"), contact.get("lastName"))))


def shown(contact: Mapping[str, Any], dialect: str, *, created: bool = False) -> dict[str, Any]:
    """Return a stored contact as an answer shows it.

    Args:
        contact: as it is stored.
        dialect: of the request.
        created: it is the answer to `POST /contacts/`, which shows other fields in `2021-07-28`.
    """
    out = {key: value for key, value in contact.items() if key not in _HIDDEN}
    name = full_name(contact)
    if name:
        out |= {"name": name, "fullNameLowerCase": name.lower()}
    for key in ("firstName", "lastName", "email"):
        if contact.get(key):
            out[f"{key}LowerCase"] = contact[key].lower()
    if dialect == OLD and "dndSettings" in out:
        out["dndSettings"] = {DND[key]: value for key, value in out["dndSettings"].items()}
    if created and dialect == OLD:
        out |= {
            "deleted": False,
            "bounceEmail": False,
            "unsubscribeEmail": False,
            "offers": [],
            "products": [],
        }
        for key in _HIDDEN_WHEN_CREATED:
            out.pop(key, None)
    return out


def succeeded(dialect: str) -> dict[str, bool]:
    """Return the flag of a write that was done, as the dialect spells it."""
    return {"succeeded": True} if dialect == V3 else {"succeded": True}
