"""The published description of what the simulator answers, built from the table of operations."""

import functools
from collections.abc import Mapping
from typing import Any

from buddy.adapters.providers.msgraph.simulator import operations
from buddy.adapters.providers.msgraph.simulator.operations import OPERATIONS, Operation

Schema = dict[str, Any]

_TIME: Schema = {"type": "string", "format": "date-time"}
_TEXT: Schema = {"type": "string"}
_NULLABLE: Schema = {"type": ["string", "null"]}
_BOOL: Schema = {"type": "boolean"}


@functools.lru_cache(maxsize=8)
def document(user: str, item: str) -> Schema:
    """Return the description, OpenAPI 3.1.

    Args:
        user: address of a mailbox, as an example.
        item: id of a message in it, as an example.
    """
    examples = {"user": user, "item": item, "folder": "inbox"}
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        for prefix in ("/v1.0/me", "/v1.0/users/{user}"):
            path = f"{prefix}/{operation.path}" if operation.path else prefix
            paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, path, examples)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Microsoft Graph mail, as simulated by Buddy", "version": "1.0"},
        "paths": paths,
        "security": [{"bearer": []}],
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def _operation(operation: Operation, path: str, examples: Mapping[str, str]) -> Schema:
    answers = {str(status): _json("Error", "Refused.") for status in (400, 401, 403, 404, 405, 413, 429)}
    if operation.run in (operations.update, operations.delete):
        answers["412"] = _json("Error", "Changed since.")
    answers |= _success(operation)
    found: Schema = {
        "summary": (operation.run.__doc__ or f"Answer by {operation.path.rpartition('/')[2]}.").strip(),
        "parameters": [*_in_path(path, examples), *_in_query(operation)],
        "responses": answers,
        "x-permissions": list(operation.permissions),
    }
    body = _body(operation)
    if body:
        content = {"application/json": {"schema": body}}
        found["requestBody"] = {"content": content, "required": "required" in body}
    return found


def _success(operation: Operation) -> Schema:
    run, last = operation.run, operation.path.rpartition("/")[2]
    if run is operations.count:
        return {"200": {"description": "How many.", "content": {"text/plain": {"schema": _TEXT}}}}
    collections: Mapping[Any, str] = {
        operations.messages: "MessagePage",
        operations.folders: "FolderPage",
        operations.attachments: "AttachmentPage",
        operations.who: "User",
        operations.folder: "Folder",
    }
    if run in collections:
        return {"200": _json(collections[run], "Found.")}
    if run in (operations.get, operations.update):
        return {"200": _json("Message", "The message.")}
    if run is operations.create or last in ("move", "copy") or last.startswith("create"):
        return {"201": _json("Message", "The message.")}
    status = "204" if run in (operations.delete, operations.purge) else "202"
    return {status: {"description": "Done."}}


def _json(name: str, words: str) -> Schema:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _in_path(path: str, examples: Mapping[str, str]) -> list[Schema]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [
        {"name": name, "in": "path", "required": True, "schema": _TEXT, "example": examples[name]}
        for name in names
    ]


def _in_query(operation: Operation) -> list[Schema]:
    lists = {
        "$top": {"type": "integer", "minimum": 1, "maximum": 1_000},
        "$skip": {"type": "integer", "minimum": 0},
    }
    shown = {"$select": _TEXT, "$expand": _TEXT}
    chosen = {"$filter": _TEXT, "$search": _TEXT}
    by: Mapping[Any, Mapping[str, Schema]] = {
        operations.messages: {
            **lists,
            **shown,
            **chosen,
            "$orderby": _TEXT,
            "$count": _BOOL,
            "$skiptoken": _TEXT,
        },
        operations.count: chosen,
        operations.folders: lists,
        operations.get: shown,
    }
    found = by.get(operation.run, {})
    return [{"name": name, "in": "query", "schema": schema} for name, schema in found.items()]


def _body(operation: Operation) -> Schema | None:
    last = operation.path.rpartition("/")[2]
    message: Schema = {"$ref": "#/components/schemas/MessageInput"}
    if operation.run in (operations.create, operations.update):
        return {**message, "required": []}
    properties: dict[str, Schema]
    if operation.run is operations.send_mail:
        properties = {"message": message, "saveToSentItems": _BOOL}
        return {"type": "object", "properties": properties, "required": ["message"]}
    if last in ("move", "copy"):
        return {"type": "object", "properties": {"destinationId": _TEXT}, "required": ["destinationId"]}
    if last.lower().endswith(("reply", "replyall", "forward")):
        properties = {"comment": _TEXT, "message": message}
        if last.lower().endswith("forward"):
            properties["toRecipients"] = {"type": "array", "items": _ref("Recipient")}
        return {"type": "object", "properties": properties}
    return None


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(
    properties: Mapping[str, Schema], required: tuple[str, ...] = (), *, closed: bool = False
) -> Schema:
    found: Schema = {"type": "object", "properties": dict(properties)}
    if required:
        found["required"] = list(required)
    if closed:
        found["additionalProperties"] = False
    return found


def _schemas() -> Schema:
    people: Schema = {"type": "array", "items": _ref("Recipient")}
    writable: dict[str, Schema] = {
        "subject": _NULLABLE,
        "body": _ref("ItemBody"),
        "importance": {"enum": ["low", "normal", "high"]},
        **dict.fromkeys(("toRecipients", "ccRecipients", "bccRecipients", "replyTo"), people),
        "from": _ref("Recipient"),
        "sender": _ref("Recipient"),
        "isRead": _BOOL,
        "categories": {"type": "array", "items": _TEXT},
        "flag": _object({"flagStatus": {"enum": ["notFlagged", "complete", "flagged"]}}, ("flagStatus",)),
        "inferenceClassification": {"enum": ["focused", "other"]},
        "isDeliveryReceiptRequested": _BOOL,
        "isReadReceiptRequested": _BOOL,
        "singleValueExtendedProperties": {"type": "array", "items": _ref("ExtendedProperty")},
    }
    own: dict[str, Schema] = {
        "@odata.etag": _TEXT,
        "id": _TEXT,
        "changeKey": _TEXT,
        **dict.fromkeys(
            ("createdDateTime", "lastModifiedDateTime", "receivedDateTime", "sentDateTime"), _TIME
        ),
        "hasAttachments": _BOOL,
        "internetMessageId": _TEXT,
        "bodyPreview": {"type": "string", "maxLength": 255},
        "parentFolderId": _TEXT,
        "conversationId": _TEXT,
        "conversationIndex": _TEXT,
        "isDraft": _BOOL,
        "webLink": _TEXT,
    }
    return {
        "Error": _object(
            {
                "error": _object(
                    {"code": _TEXT, "message": _TEXT, "innerError": _object({})}, ("code", "message")
                )
            },
            ("error",),
        ),
        "EmailAddress": _object({"name": _NULLABLE, "address": _NULLABLE}, closed=True),
        "Recipient": _object({"emailAddress": _ref("EmailAddress")}, ("emailAddress",), closed=True),
        "ItemBody": _object({"contentType": {"enum": ["text", "html"]}, "content": _NULLABLE}, closed=True),
        "ExtendedProperty": _object({"id": _TEXT, "value": _TEXT}, ("id", "value"), closed=True),
        "MessageInput": _object(writable, closed=True),
        "Message": _object({**own, **writable}, ("@odata.etag", "id")),
        "MessagePage": _page(_ref("Message")),
        "Folder": _object(
            {"id": _TEXT, "displayName": _TEXT, "totalItemCount": {"type": "integer"}}, ("id",)
        ),
        "FolderPage": _page(_ref("Folder")),
        "AttachmentPage": _page(_object({"id": _TEXT, "name": _TEXT, "size": {"type": "integer"}}, ("id",))),
        "User": _object(
            {"id": _TEXT, "mail": _TEXT, "userPrincipalName": _TEXT}, ("id", "userPrincipalName")
        ),
    }


def _page(entry: Schema) -> Schema:
    properties: dict[str, Schema] = {
        "value": {"type": "array", "items": entry},
        "@odata.count": {"type": "integer"},
        "@odata.nextLink": {"type": "string", "format": "uri"},
    }
    return _object(properties, ("value",))
