"""The contacts of one simulated location, and the rules that the vendor keeps about them."""

import copy
import hashlib
import string
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from buddy.adapters.providers.gohighlevel.simulator import shapes
from buddy.adapters.providers.gohighlevel.simulator.shapes import Refusal

_LETTERS = string.digits + string.ascii_letters
_FIRST = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Radia", "Ken", "Frances", "Tony")
_LAST = (
    "Lovelace",
    "Hopper",
    "Turing",
    "Dijkstra",
    "Liskov",
    "Knuth",
    "Perlman",
    "Thompson",
    "Allen",
    "Hoare",
)
CUSTOM_FIELDS = ("employees", "industry", "ein")
"""Keys of the location's own fields; their ids come from the seed."""

Contact = dict[str, Any]


def made_id(*parts: object, length: int = 20) -> str:
    """Return an id in the vendor's form, the same for the same parts."""
    number = int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest())
    letters = []
    for _ in range(length):
        number, place = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[place])
    return "".join(letters)


class Store:
    """One location.

    Args:
        seed: of ids, and of the contacts that there are at the beginning.
        now: seconds since the epoch.
        contacts: how many there are at the beginning.
        allow_duplicates: the location's setting; without it two contacts share no email and no phone.
        lag_s: returns the seconds until the search index shows a contact that was added.
        planted: id of one more contact at the beginning.

    Attributes:
        location_id: of the location.
        contacts: by id.
        related: contact id -> kind (`notes`, `tasks`, ...) -> id -> record.
    """

    def __init__(
        self,
        seed: int,
        now: Callable[[], float],
        *,
        contacts: int = 0,
        allow_duplicates: bool = False,
        lag_s: Callable[[], float] = float,
        planted: str | None = None,
    ) -> None:
        self.seed = seed
        self.location_id = made_id(seed, "location")
        self.allow_duplicates = allow_duplicates
        self._lag_s = lag_s
        self._now = now
        self._beginning, self._planted = contacts, planted
        self.reset()

    def reset(self) -> None:
        """Put everything back to the beginning."""
        self.contacts: dict[str, Contact] = {}
        self.related: dict[str, dict[str, dict[str, Any]]] = {}
        self._made = 0
        self.fields = {key: made_id(self.seed, "field", key) for key in CUSTOM_FIELDS}
        for number in range(self._beginning):
            first, last = _FIRST[number % 10], _LAST[(number + number // 10) % 10]
            mark = f"{number}" if number >= 10 else ""
            self.add(
                {
                    "firstName": first,
                    "lastName": last,
                    "email": f"{first}.{last}{mark}@example.com".lower(),
                    "phone": f"+1205555{number % 10_000:04}",
                    "companyName": f"{last} Works",
                    "city": "Birmingham",
                    "state": "AL",
                    "country": "US",
                    "source": "seed",
                    "tags": ["lead"],
                }
            )

        if self._planted is not None:
            self.add({"firstName": "Sam", "lastName": "Sample", "email": "sam@example.org"}, self._planted)

    def state(self) -> dict[str, Any]:
        """Return everything that is stored, in an order that does not depend on what came between."""
        return {
            "contacts": [self.contacts[key] for key in sorted(self.contacts)],
            "related": {key: found for key in sorted(self.related) if (found := self._hanging(key))},
        }

    def _hanging(self, contact_id: str) -> dict[str, Any]:
        return {kind: records for kind, records in self.related[contact_id].items() if records}

    def time(self) -> str:
        """Return the time as the vendor writes it."""
        moment = datetime.fromtimestamp(self._now(), UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"

    def new_id(self, kind: str = "contact") -> str:
        """Return an id that nothing here has."""
        self._made += 1
        return made_id(self.seed, kind, self._made)

    def get(self, contact_id: str) -> Contact:
        """Return a contact.

        Raises:
            Refusal: there is none; the vendor answers 400.
        """
        found = self.contacts.get(contact_id)
        if found is None:
            raise Refusal(400, f"Contact with id {contact_id} not found", error="Bad Request")
        return found

    def add(self, fields: dict[str, Any], contact_id: str | None = None) -> Contact:
        """Add a contact.

        Raises:
            Refusal: another has the same email or phone.
        """
        self._refuse_duplicate(fields)
        at = self.time()
        contact: Contact = {
            "id": contact_id or self.new_id(),
            "locationId": self.location_id,
            "type": "lead",
            "tags": [],
            "dnd": False,
            "customFields": [],
            "source": "public api",
            "country": "US",
            "dateAdded": at,
            "dateUpdated": at,
        }
        self.contacts[contact["id"]] = contact
        self._put(contact, fields)
        return contact

    def change(self, contact_id: str, fields: dict[str, Any]) -> Contact:
        """Change a contact's fields; null and empty texts clear, tags are replaced, own fields are merged.

        Raises:
            Refusal: there is none, or another has the email or phone.
        """
        contact = self.get(contact_id)
        self._refuse_duplicate(fields, but=contact_id)
        self._put(contact, fields)
        contact["dateUpdated"] = self.time()
        return contact

    def upsert(self, fields: dict[str, Any]) -> tuple[bool, Contact]:
        """Change the contact with this email, else the one with this phone, else add one."""
        create = self.allow_duplicates and fields.pop("createNewIfDuplicateAllowed", False)
        fields.pop("createNewIfDuplicateAllowed", None)
        found = None if create else self.duplicate(fields.get("email"), fields.get("phone"))
        if found is None:
            return True, self.add(fields)
        _, contact = found
        for key in ("email", "phone"):
            other = self.duplicate(**{key: fields.get(key)})
            if other is not None and other[1]["id"] != contact["id"]:
                fields.pop(key)  # the vendor ignores the second one of two that match different contacts
        return False, self.change(contact["id"], fields)

    def remove(self, contact_id: str) -> None:
        """Delete a contact and what hangs on it.

        Raises:
            Refusal: there is none.
        """
        self.get(contact_id)
        del self.contacts[contact_id]
        self.related.pop(contact_id, None)

    def duplicate(self, email: str | None = None, phone: str | None = None) -> tuple[str, Contact] | None:
        """Return the matching field and the oldest contact that matches: by email, else by phone."""
        for key, wanted in (("email", (email or "").lower()), ("phone", shapes.phone(phone or ""))):
            if wanted:
                for contact in self.contacts.values():
                    if (contact.get(key) or "").lower() == wanted:
                        return key, contact
        return None

    def visible(self) -> list[Contact]:
        """Return the contacts that the search index shows by now."""
        lag = self._lag_s()
        newest = datetime.fromtimestamp(self._now() - lag, UTC)
        return [
            contact
            for contact in self.contacts.values()
            if not lag or datetime.fromisoformat(contact["dateAdded"]) <= newest
        ]

    def _refuse_duplicate(self, fields: dict[str, Any], but: str = "") -> None:
        if self.allow_duplicates:
            return
        for key in ("email", "phone"):
            found = self.duplicate(**{key: fields.get(key)})
            if found is not None and found[1]["id"] != but:
                meta = {
                    "contactId": found[1]["id"],
                    "contactName": shapes.full_name(found[1]),
                    "matchingField": key,
                }
                raise Refusal(400, "This location does not allow duplicated contacts.", meta=meta)

    def _put(self, contact: Contact, fields: dict[str, Any]) -> None:
        for key, value in copy.deepcopy(fields).items():
            if key == "customFields":
                self._put_own(contact, value)
            elif value is None or value == "":
                contact.pop(key, None)
            elif key != "locationId":
                contact[key] = value

    def _put_own(self, contact: Contact, entries: list[dict[str, Any]]) -> None:
        values = {entry["id"]: entry["value"] for entry in contact["customFields"]}
        for entry in entries:
            own = entry.get("id") or self.fields.get(entry["key"], entry["key"])
            value = entry.get("fieldValue", entry.get("field_value"))
            if value in (None, "", []):
                values.pop(own, None)
            else:
                values[own] = value
        contact["customFields"] = [{"id": own, "value": value} for own, value in values.items()]
