"""What hangs on a contact: tags, notes, tasks, followers, campaigns, workflows, businesses."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from buddy.adapters.providers.gohighlevel.simulator import shapes
from buddy.adapters.providers.gohighlevel.simulator.shapes import Refusal, unprocessable
from buddy.adapters.providers.gohighlevel.simulator.store import Store

Answer = tuple[int, Any]


class Asked(Protocol):
    """What is read of a request."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    dialect: str


Handler = Callable[[Any], Answer]


def handlers(store: Store) -> list[tuple[str, str, Handler]]:
    """Return method, path and handler of every call."""
    return [*_lists(store), *_notes(store), *_tasks(store), *_memberships(store), *_bulk(store)]


def _texts(asked: Asked, key: str) -> list[str]:
    found = asked.body.get(key) if isinstance(asked.body, dict) else None
    if not isinstance(found, list) or not found or not all(isinstance(entry, str) for entry in found):
        raise unprocessable([f"each value in {key} must be a string", f"{key} should not be empty"])
    return found


def _object(asked: Asked, needed: Mapping[str, type], optional: Mapping[str, type]) -> dict[str, Any]:
    body = asked.body
    if not isinstance(body, dict):
        raise unprocessable(["the body must be an object"])
    known = {**needed, **optional}
    problems = [f"property {key} should not exist" for key in body if key not in known]
    problems += [f"{key} should not be empty" for key in needed if body.get(key) in (None, "")]
    problems += [
        f"{key} must be a {'boolean value' if kind is bool else 'string'}"
        for key, kind in known.items()
        if body.get(key) is not None and not isinstance(body[key], kind)
    ]
    if problems:
        raise unprocessable(problems)
    return body


def _lists(store: Store) -> Iterator[tuple[str, str, Handler]]:
    """Tags and followers: lists of texts on the contact itself."""

    def change(key: str, words: str, *, adds: bool) -> Handler:
        def handle(asked: Asked) -> Answer:
            contact = store.get(asked.path["contactId"])
            given = _texts(asked, key)
            given = [entry.strip().lower() for entry in given] if key == "tags" else given
            now = list(contact.get(key, []))
            changed = [entry for entry in given if (entry in now) is not adds]
            contact[key] = [*now, *dict.fromkeys(changed)] if adds else [e for e in now if e not in given]
            contact["dateUpdated"] = store.time()
            more = {words: changed} if key == "followers" else {}
            return (201 if adds else 200), {key: contact[key], **more}

        return handle

    yield "POST", "/contacts/{contactId}/tags", change("tags", "tagsAdded", adds=True)
    yield "DELETE", "/contacts/{contactId}/tags", change("tags", "tagsRemoved", adds=False)
    yield "POST", "/contacts/{contactId}/followers", change("followers", "followersAdded", adds=True)
    yield "DELETE", "/contacts/{contactId}/followers", change("followers", "followersRemoved", adds=False)


class _Records:
    """The records of one kind that hang on contacts."""

    def __init__(self, store: Store, kind: str, one: str) -> None:
        self._store, self._kind, self._one = store, kind, one

    def of(self, asked: Asked) -> dict[str, Any]:
        contact = self._store.get(asked.path["contactId"])
        by_kind = self._store.related.setdefault(contact["id"], {})
        return by_kind.setdefault(self._kind, {})

    def find(self, asked: Asked, key: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self.of(asked).get(asked.path[key])
        if found is None:
            raise Refusal(400, f"{self._one} with id {asked.path[key]} not found", error="Bad Request")
        return found

    def add(self, asked: Asked, fields: dict[str, Any]) -> dict[str, Any]:
        record = {"id": self._store.new_id(self._kind), "contactId": asked.path["contactId"], **fields}
        self.of(asked)[record["id"]] = record
        return record

    def remove(self, asked: Asked, key: str) -> Answer:
        del self.of(asked)[self.find(asked, key)["id"]]
        return 200, shapes.succeeded(asked.dialect)


def _notes(store: Store) -> Iterator[tuple[str, str, Handler]]:
    records = _Records(store, "notes", "Note")

    def body(asked: Asked) -> dict[str, Any]:
        return _object(asked, {"body": str}, {"userId": str, "title": str, "color": str, "pinned": bool})

    def create(asked: Asked) -> Answer:
        return 201, {"note": records.add(asked, {**body(asked), "dateAdded": store.time()})}

    def update(asked: Asked) -> Answer:
        note = records.find(asked, "id")
        note.update(body(asked))
        return 200, {"note": note}

    yield "GET", "/contacts/{contactId}/notes", lambda asked: (200, {"notes": [*records.of(asked).values()]})
    yield "POST", "/contacts/{contactId}/notes", create
    yield "GET", "/contacts/{contactId}/notes/{id}", lambda asked: (200, {"note": records.find(asked, "id")})
    yield "PUT", "/contacts/{contactId}/notes/{id}", update
    yield "DELETE", "/contacts/{contactId}/notes/{id}", lambda asked: records.remove(asked, "id")


def _tasks(store: Store) -> Iterator[tuple[str, str, Handler]]:
    records = _Records(store, "tasks", "Task")
    texts = {"title": str, "body": str, "dueDate": str, "assignedTo": str, "completed": bool}
    needed = {"title": str, "dueDate": str, "completed": bool}

    def create(asked: Asked) -> Answer:
        return 201, {"task": records.add(asked, dict(_object(asked, needed, texts)))}

    def update(asked: Asked) -> Answer:
        task = records.find(asked, "taskId")
        task.update(_object(asked, {}, texts))
        return 200, {"task": task}

    def complete(asked: Asked) -> Answer:
        task = records.find(asked, "taskId")
        task.update(_object(asked, {"completed": bool}, {}))
        return 200, {"task": task}

    yield "GET", "/contacts/{contactId}/tasks", lambda asked: (200, {"tasks": [*records.of(asked).values()]})
    yield "POST", "/contacts/{contactId}/tasks", create
    yield (
        "GET",
        "/contacts/{contactId}/tasks/{taskId}",
        lambda asked: (200, {"task": records.find(asked, "taskId")}),
    )
    yield "PUT", "/contacts/{contactId}/tasks/{taskId}", update
    yield "DELETE", "/contacts/{contactId}/tasks/{taskId}", lambda asked: records.remove(asked, "taskId")
    yield "PUT", "/contacts/{contactId}/tasks/{taskId}/completed", complete
    yield "GET", "/contacts/{contactId}/appointments", lambda asked: _appointments(store, asked)


def _appointments(store: Store, asked: Asked) -> Answer:
    store.get(asked.path["contactId"])
    return 200, {"events": []}


def _memberships(store: Store) -> Iterator[tuple[str, str, Handler]]:
    """Campaigns and workflows that a contact is in; their ids are taken as they come."""

    def put(kind: str, key: str, *, status: int) -> Handler:
        def handle(asked: Asked) -> Answer:
            records = _Records(store, kind, kind).of(asked)
            records[asked.path[key]] = {"since": store.time()}
            return status, shapes.succeeded(asked.dialect)

        return handle

    def take(kind: str, key: str) -> Handler:
        def handle(asked: Asked) -> Answer:
            _Records(store, kind, kind).of(asked).pop(asked.path[key], None)
            return 200, shapes.succeeded(asked.dialect)

        return handle

    def clear(asked: Asked) -> Answer:
        _Records(store, "campaigns", "campaigns").of(asked).clear()
        return 200, shapes.succeeded(asked.dialect)

    yield "DELETE", "/contacts/{contactId}/campaigns/removeAll", clear
    yield "DELETE", "/contacts/{contactId}/campaigns/remove-all", clear
    yield "POST", "/contacts/{contactId}/campaigns/{campaignId}", put("campaigns", "campaignId", status=201)
    yield "DELETE", "/contacts/{contactId}/campaigns/{campaignId}", take("campaigns", "campaignId")
    yield "POST", "/contacts/{contactId}/workflow/{workflowId}", put("workflows", "workflowId", status=200)
    yield "DELETE", "/contacts/{contactId}/workflow/{workflowId}", take("workflows", "workflowId")


def _bulk(store: Store) -> Iterator[tuple[str, str, Handler]]:
    def contacts(asked: Asked, key: str) -> list[dict[str, Any]]:
        return [store.get(contact_id) for contact_id in _texts(asked, key)]

    def tags(asked: Asked) -> Answer:
        kind = asked.path["type"]
        if kind not in ("add", "remove"):
            raise Refusal(400, "type must be add or remove", error="Bad Request")
        chosen, given = contacts(asked, "contacts"), _texts(asked, "tags")
        for contact in chosen:
            kept = [] if asked.body.get("removeAllTags") else contact["tags"]
            left = [tag for tag in kept if tag not in given]
            contact["tags"] = [*left, *given] if kind == "add" else left
        flags = {**shapes.succeeded(shapes.OLD), **shapes.succeeded(asked.dialect)}
        return 201, {**flags, "errorCount": 0, "responses": [c["id"] for c in chosen]}

    def business(asked: Asked) -> Answer:
        for contact in contacts(asked, "ids"):
            store.change(contact["id"], {"businessId": asked.body.get("businessId")})
        return 200, {"success": True, "ids": asked.body["ids"]}

    def of_business(asked: Asked) -> Answer:
        found = [c for c in store.contacts.values() if c.get("businessId") == asked.path["businessId"]]
        return 200, {"contacts": [shapes.shown(c, asked.dialect) for c in found], "count": len(found)}

    yield "POST", "/contacts/bulk/tags/update/{type}", tags
    yield "POST", "/contacts/bulk/business", business
    yield "GET", "/contacts/business/{businessId}", of_business
