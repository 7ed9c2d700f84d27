"""The description of the simulated interface, as OpenAPI; what it says is what the routes do."""

import functools
import re
from collections.abc import Mapping
from typing import Any

from buddy.adapters.providers.gohighlevel.simulator import shapes
from buddy.adapters.providers.gohighlevel.simulator.search import LONGEST, MOST

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_FLAG = {"type": "boolean"}
_SETTING = {
    "type": "object",
    "properties": {
        "status": {"type": "string", "enum": list(shapes.DND_STATUSES)},
        "message": _TEXT,
        "code": _TEXT,
    },
    "required": ["status"],
}
_OWN_FIELD = {
    "type": "object",
    "properties": {"id": _TEXT, "key": _TEXT, "field_value": {}, "fieldValue": {}},
    "additionalProperties": False,
    "anyOf": [{"required": ["id"]}, {"required": ["key"]}],
}
_ERROR = {
    "type": "object",
    "properties": {
        "statusCode": {"type": "integer"},
        "message": {"anyOf": [_TEXT, _TEXTS]},
        "error": _TEXT,
        "meta": {"type": "object"},
    },
    "required": ["statusCode", "message"],
}
_ERRORS = {
    "400": "an unknown record, a duplicate, or a body that is not JSON",
    "401": "the version header, the token or its scope",
    "403": "another location",
    "404": "no such address",
    "422": "the body or the query does not fit",
    "429": "more than the limit",
}


def _closed(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
        **({"required": list(required)} if required else {}),
    }


def _input(allowed: frozenset[str], *required: str) -> dict[str, Any]:
    known: dict[str, Any] = {
        "dnd": _FLAG,
        "createNewIfDuplicateAllowed": _FLAG,
        "tags": _TEXTS,
        "customFields": {"type": "array", "items": _OWN_FIELD},
        "dndSettings": {"type": "object", "additionalProperties": _SETTING},
        "inboundDndSettings": {
            "type": "object",
            "properties": {"all": _SETTING},
            "additionalProperties": False,
        },
        "locationId": _TEXT,
        "email": {"type": "string", "format": "email", "nullable": True},
    }
    texts = {name: {"type": "string", "nullable": name not in shapes.NOT_NULL} for name in shapes.TEXTS}
    return _closed({name: (texts | known)[name] for name in sorted(allowed)}, *required)


def _contact() -> dict[str, Any]:
    texts = dict.fromkeys((*shapes.TEXTS, "id", "locationId", "type", "dateAdded", "dateUpdated"), _TEXT)
    return {
        "type": "object",
        "properties": {
            **texts,
            "tags": _TEXTS,
            "dnd": _FLAG,
            "customFields": {"type": "array", "items": {"type": "object", "required": ["id", "value"]}},
            "dndSettings": {"type": "object", "additionalProperties": _SETTING},
        },
        "required": ["id", "locationId", "dateAdded", "tags", "customFields"],
    }


_ONE = {"type": "object", "properties": {"contact": _contact()}, "required": ["contact"]}
_FOUND = {
    "type": "object",
    "properties": {"contact": {**_contact(), "nullable": True}},
    "required": ["contact"],
}
_MANY = {
    "type": "object",
    "properties": {"contacts": {"type": "array", "items": _contact()}, "total": {"type": "integer"}},
    "required": ["contacts"],
}
_DONE = {"type": "object", "properties": {"succeeded": _FLAG, "succeded": _FLAG}, "minProperties": 1}
_SEARCH = _closed(
    {
        "locationId": _TEXT,
        "page": {"type": "integer", "minimum": 1},
        "pageLimit": {"type": "integer", "minimum": 1, "maximum": MOST},
        "searchAfter": {"type": "array"},
        "filters": {"type": "array", "items": {"type": "object"}},
        "sort": {"type": "array", "items": {"type": "object"}},
        "query": {"type": "string", "maxLength": LONGEST},
    },
    "locationId",
    "pageLimit",
)
_NOTE = _closed({"body": _TEXT, "userId": _TEXT, "title": _TEXT, "color": _TEXT, "pinned": _FLAG}, "body")
_TASK = {"title": _TEXT, "body": _TEXT, "dueDate": _TEXT, "assignedTo": _TEXT, "completed": _FLAG}
_TAGS = _closed({"tags": {**_TEXTS, "minItems": 1}}, "tags")
_FOLLOWERS = _closed({"followers": {**_TEXTS, "minItems": 1}}, "followers")
_BULK_TAGS = _closed(
    {"contacts": _TEXTS, "tags": _TEXTS, "locationId": _TEXT, "removeAllTags": _FLAG},
    "contacts",
    "tags",
    "locationId",
)
_BULK_BUSINESS = _closed(
    {"locationId": _TEXT, "ids": _TEXTS, "businessId": {"type": "string", "nullable": True}},
    "locationId",
    "ids",
    "businessId",
)
_ANY = {"type": "object"}

Row = tuple[str, str, int, dict[str, Any], dict[str, Any] | None]
ROWS: tuple[Row, ...] = (
    ("post", "/contacts/", 201, _ONE, _input(shapes.CREATE, "locationId")),
    ("get", "/contacts/", 200, _MANY, None),
    ("post", "/contacts/upsert", 200, _ONE, _input(shapes.UPSERT, "locationId")),
    ("post", "/contacts/search", 200, _MANY, _SEARCH),
    ("get", "/contacts/search/duplicate", 200, _FOUND, None),
    ("get", "/contacts/{contactId}", 200, _ONE, None),
    ("put", "/contacts/{contactId}", 200, _ONE, _input(shapes.UPDATE)),
    ("delete", "/contacts/{contactId}", 200, _DONE, None),
    ("post", "/contacts/{contactId}/tags", 201, _ANY, _TAGS),
    ("delete", "/contacts/{contactId}/tags", 200, _ANY, _TAGS),
    ("post", "/contacts/{contactId}/followers", 201, _ANY, _FOLLOWERS),
    ("delete", "/contacts/{contactId}/followers", 200, _ANY, _FOLLOWERS),
    ("get", "/contacts/{contactId}/notes", 200, _ANY, None),
    ("post", "/contacts/{contactId}/notes", 201, _ANY, _NOTE),
    ("get", "/contacts/{contactId}/notes/{id}", 200, _ANY, None),
    ("put", "/contacts/{contactId}/notes/{id}", 200, _ANY, _NOTE),
    ("delete", "/contacts/{contactId}/notes/{id}", 200, _DONE, None),
    ("get", "/contacts/{contactId}/tasks", 200, _ANY, None),
    ("post", "/contacts/{contactId}/tasks", 201, _ANY, _closed(_TASK, "title", "dueDate", "completed")),
    ("get", "/contacts/{contactId}/tasks/{taskId}", 200, _ANY, None),
    ("put", "/contacts/{contactId}/tasks/{taskId}", 200, _ANY, _closed(_TASK)),
    ("delete", "/contacts/{contactId}/tasks/{taskId}", 200, _DONE, None),
    (
        "put",
        "/contacts/{contactId}/tasks/{taskId}/completed",
        200,
        _ANY,
        _closed({"completed": _FLAG}, "completed"),
    ),
    ("get", "/contacts/{contactId}/appointments", 200, _ANY, None),
    ("post", "/contacts/{contactId}/campaigns/{campaignId}", 201, _DONE, None),
    ("delete", "/contacts/{contactId}/campaigns/{campaignId}", 200, _DONE, None),
    ("delete", "/contacts/{contactId}/campaigns/removeAll", 200, _DONE, None),
    ("delete", "/contacts/{contactId}/campaigns/remove-all", 200, _DONE, None),
    ("post", "/contacts/{contactId}/workflow/{workflowId}", 200, _DONE, None),
    ("delete", "/contacts/{contactId}/workflow/{workflowId}", 200, _DONE, None),
    ("post", "/contacts/bulk/tags/update/{type}", 201, _ANY, _BULK_TAGS),
    ("post", "/contacts/bulk/business", 200, _ANY, _BULK_BUSINESS),
    ("get", "/contacts/business/{businessId}", 200, _MANY, None),
)
"""Method, path, status of success, what is answered, what is sent."""

_QUERIES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "/contacts/": {
        "locationId": _TEXT,
        "limit": {"type": "integer", "minimum": 1, "maximum": 100},
        "query": _TEXT,
        "startAfter": {"type": "integer"},
        "startAfterId": _TEXT,
    },
    "/contacts/search/duplicate": {"locationId": _TEXT, "email": _TEXT, "number": _TEXT},
}


@functools.cache
def document() -> dict[str, Any]:
    """Return the description."""
    paths: dict[str, dict[str, Any]] = {}
    for method, path, status, answer, body in ROWS:
        paths.setdefault(path, {})[method] = _operation(method, path, status, answer, body)
    return {
        "openapi": "3.0.3",
        "info": {"title": "GoHighLevel contacts, simulated", "version": "1"},
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _ERROR},
        },
        "security": [{"bearer": []}],
        "paths": paths,
    }


def _operation(
    method: str, path: str, status: int, answer: Mapping[str, Any], body: Mapping[str, Any] | None
) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", path)
    version = {"type": "string", "enum": list(shapes.DIALECTS)}
    parameters: list[dict[str, Any]] = [
        {"name": "Version", "in": "header", "required": True, "schema": version}
    ]
    parameters += [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names]
    if method == "get":
        parameters += [
            {"name": name, "in": "query", "required": name == "locationId", "schema": dict(schema)}
            for name, schema in _QUERIES.get(path, {}).items()
        ]
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    errors = {code: {"description": text, "content": error} for code, text in _ERRORS.items()}
    success = {"description": "done", "content": {"application/json": {"schema": dict(answer)}}}
    return {
        "operationId": re.sub(r"\W+", "_", f"{method}{path}").strip("_"),
        "parameters": parameters,
        "responses": {str(status): success, **errors},
        **(
            {"requestBody": {"required": True, "content": {"application/json": {"schema": dict(body)}}}}
            if body is not None
            else {}
        ),
    }
