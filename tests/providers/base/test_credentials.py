import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from buddy.adapters.providers.base.credentials import Access, address, load
from buddy.adapters.providers.base.errors import AuthError

NAMES = ("token", "location_id")


@pytest.fixture(autouse=True)
def _no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)


def stored(home: Path, content: str, mode: int = 0o600) -> Path:
    file = home / "credentials" / "gohighlevel.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    file.chmod(mode)
    return file


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    stored(tmp_path, json.dumps({"token": "of the file", "location_id": "L"}))
    access = Access(environ={"BUDDY_GOHIGHLEVEL_TOKEN": "of the environment"}, folder=tmp_path)
    assert load("gohighlevel", NAMES, access) == {"token": "of the environment", "location_id": "L"}


def test_the_keyring_comes_between_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring, errors = ModuleType("keyring"), ModuleType("keyring.errors")
    errors.KeyringError = type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]
    entries = {("buddy", "gohighlevel/token"): "of the keyring"}
    ring.get_password = lambda service, name: entries.get((service, name))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", ring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    stored(tmp_path, json.dumps({"token": "of the file", "location_id": "L"}))
    found = load("gohighlevel", NAMES, Access(environ={}, folder=tmp_path))
    assert found == {"token": "of the keyring", "location_id": "L"}


def test_all_that_is_missing_is_named_with_the_places(tmp_path: Path) -> None:
    with pytest.raises(AuthError) as failure:
        load("gohighlevel", NAMES, Access(environ={"BUDDY_GOHIGHLEVEL_TOKEN": ""}, folder=tmp_path))
    told = str(failure.value)
    for wanted in ("BUDDY_GOHIGHLEVEL_TOKEN", "BUDDY_GOHIGHLEVEL_LOCATION_ID", str(tmp_path), "keyring"):
        assert wanted in told


def test_only_what_is_missing_is_named() -> None:
    with pytest.raises(AuthError) as failure:
        load("gohighlevel", NAMES, Access(environ={"BUDDY_GOHIGHLEVEL_TOKEN": "t"}))
    assert "BUDDY_GOHIGHLEVEL_LOCATION_ID" in str(failure.value)
    assert "BUDDY_GOHIGHLEVEL_TOKEN" not in str(failure.value)


def test_what_is_optional_may_be_missing() -> None:
    access = Access(environ={"BUDDY_GOHIGHLEVEL_TOKEN": "t", "BUDDY_GOHIGHLEVEL_VERSION": "v3"})
    assert load("gohighlevel", ("token",), access, optional=("version", "base_url")) == {
        "token": "t",
        "version": "v3",
    }


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    stored(tmp_path, json.dumps({"token": "canary-1"}), mode)
    with pytest.raises(AuthError, match="chmod 600") as failure:
        load("gohighlevel", NAMES, Access(environ={}, folder=tmp_path))
    assert "canary" not in str(failure.value)


@pytest.mark.parametrize("content", ["", "canary-1", "[1]", '{"token": 1}', '{"token": {"x": "canary-1"}}'])
def test_a_file_of_another_form_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    stored(tmp_path, content)
    with pytest.raises(AuthError, match="expected a JSON object") as failure:
        load("gohighlevel", NAMES, Access(environ={}, folder=tmp_path))
    assert "canary" not in str(failure.value)
    assert failure.value.__cause__ is None


@pytest.mark.parametrize("given", ["http://127.0.0.1:8081/", "http://127.0.0.1:8081"])
def test_an_address_loses_its_last_slash(given: str) -> None:
    assert address("gohighlevel", {"base_url": given}, "https://v.example") == "http://127.0.0.1:8081"
    assert address("gohighlevel", {}, "https://v.example") == "https://v.example"


@pytest.mark.parametrize("given", ["", "localhost", "ftp://x", "http://", "http://[x", "http://x:p", "//x"])
def test_what_is_no_address_is_said(given: str) -> None:
    with pytest.raises(AuthError, match="base_url: expected an address"):
        address("gohighlevel", {"base_url": given}, "https://v.example")
