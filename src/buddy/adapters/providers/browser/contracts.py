"""What the browser offers as tools; listing them starts no browser and imports nothing heavy."""

from typing import Any

from buddy.adapters.providers.base.tools import Offer
from buddy.model.contract import ToolContract
from buddy.model.mode import Effect, Risk, Undo

MODULE = "buddy.adapters.providers.browser.operations"

_PAGE = {
    "type": "string",
    "minLength": 1,
    "maxLength": 60,
    "default": "main",
    "description": "name of the window; each has its own cookies and lasts as long as the run",
}
_TARGET = {"type": "string", "minLength": 1, "maxLength": 500}
_TEXT = {"type": "string"}
_WHERE = {"url": _TEXT, "title": _TEXT, "status": {"type": "integer"}}
_STOPPED = {"type": "array", "items": {"type": "object"}}
_IMAGE = {
    "type": "object",
    "properties": {"media_type": _TEXT, "base64": _TEXT},
    "required": ["media_type", "base64"],
}
# A picture of one transparent point.
_DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
_SHOWN = {"url": "https://page.example/", "title": "A page", "status": 200}


def _object(required: list[str], /, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _read(name: str, summary: str, given: dict[str, Any], returned: dict[str, Any], example: Any) -> Offer:
    contract = ToolContract(
        name=f"browser.{name}",
        summary=summary,
        risk=Risk.LOW,
        effect=Effect.READ,
        idempotent=True,
        permissions=("browser.read",),
        resources=("window:{page}",),
        depends_on=() if name == "navigate" else ("browser.navigate",),
        input=given,
        output=returned,
        example=example,
    )
    return Offer(contract=contract, module=MODULE, handlers=frozenset({"live"}), extra="providers,browser")


OFFERS = (
    _read(
        "navigate",
        "Open an address in a window of the run",
        _object(["url"], url={"type": "string", "pattern": "^https?://"}, page=_PAGE),
        _object([*_WHERE], **_WHERE, stopped=_STOPPED),
        _SHOWN,
    ),
    _read(
        "vision_inspect",
        "Look at a page: its tree of roles and names, and a picture",
        _object([], page=_PAGE),
        _object(
            [*_WHERE, "snapshot", "image"],
            **_WHERE,
            snapshot=_TEXT,
            cut={"type": "boolean"},
            image=_IMAGE,
            stopped=_STOPPED,
        ),
        {**_SHOWN, "snapshot": "", "cut": False, "image": {"media_type": "image/png", "base64": _DOT}},
    ),
    _read(
        "extract",
        "Read the text, a table or the links of a page",
        _object([], target=_TARGET, what={"enum": ["text", "table", "links"], "default": "text"}, page=_PAGE),
        _object(
            [*_WHERE],
            **_WHERE,
            text=_TEXT,
            rows={"type": "array", "items": {"type": "object"}},
            links={"type": "array", "items": {"type": "object"}},
            stopped=_STOPPED,
        ),
        {**_SHOWN, "text": "", "rows": [], "links": []},
    ),
    _read(
        "screenshot",
        "Take a picture of what is seen, or of a whole page",
        _object([], whole={"type": "boolean", "default": False}, page=_PAGE),
        _object([*_WHERE, "image"], **_WHERE, image=_IMAGE, stopped=_STOPPED),
        {**_SHOWN, "image": {"media_type": "image/png", "base64": _DOT}},
    ),
    Offer(
        contract=ToolContract(
            name="browser.form_fill",
            summary="Put a value into a field of a form, without sending it",
            risk=Risk.MEDIUM,
            effect=Effect.WRITE,
            undo=Undo.EXACT,
            idempotent=True,
            permissions=("browser.write",),
            resources=("window:{page}",),
            depends_on=("browser.navigate",),
            secret_args=("secret",),
            input=_object(
                ["field"],
                field=_TARGET,
                value={"type": ["string", "boolean"]},
                secret={"type": "string"},
                page=_PAGE,
            ),
            output=_object(
                ["page", "field", "before", "after", "secret"],
                page=_TEXT,
                field=_TEXT,
                before={"type": ["string", "boolean", "null"]},
                after={"type": ["string", "boolean"]},
                secret={"type": "boolean"},
            ),
            example={
                "page": "https://page.example/",
                "field": "a field",
                "before": "",
                "after": "",
                "secret": False,
            },
        ),
        module=MODULE,
        handlers=frozenset({"live", "preview", "undo"}),
        extra="providers,browser",
    ),
    Offer(
        contract=ToolContract(
            name="browser.button_click",
            summary="Press a button or follow a link",
            risk=Risk.HIGH,
            effect=Effect.WRITE,
            undo=Undo.NONE,
            permissions=("browser.write",),
            resources=("window:{page}",),
            depends_on=("browser.vision_inspect", "browser.form_fill"),
            input=_object(["button"], button=_TARGET, page=_PAGE),
            output=_object(["button", "from", *_WHERE], button=_TEXT, **{"from": _TEXT}, **_WHERE),
            example={"button": "a button", "from": "https://page.example/", **_SHOWN},
        ),
        module=MODULE,
        handlers=frozenset({"live", "preview"}),
        extra="providers,browser",
    ),
)
"""The browser's tools."""
