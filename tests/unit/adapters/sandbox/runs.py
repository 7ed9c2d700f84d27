"""Runs code in this process, as the sandbox does in its own."""

from importlib import import_module
from typing import Any

from buddy.adapters.sandbox.runner import run
from buddy.adapters.sandbox.settings import Settings
from buddy.model.sandbox import POLICIES

import_module("_strptime")  # `preload` has done so in the sandbox

SPEC = Settings(imports=POLICIES["spec"].imports)
EXTENDED = Settings(imports=POLICIES["extended"].imports)
UNCHECKED = EXTENDED._replace(check=False)
BARE = UNCHECKED._replace(facades=False)


def ran(code: str, settings: Settings = EXTENDED, **inputs: Any) -> dict[str, Any]:
    return run(code, inputs, settings)


def value(code: str, settings: Settings = EXTENDED, **inputs: Any) -> Any:
    told = ran(code, settings, **inputs)
    assert (told["error"], told["findings"], told["ended"]) == (None, [], None)
    return told["value"]


def error(code: str, settings: Settings = EXTENDED) -> dict[str, Any]:
    told = ran(code, settings)
    assert told["error"] is not None
    assert told["value"] is None
    found: dict[str, Any] = told["error"]
    return found
