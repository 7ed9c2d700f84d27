import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from buddy.adapters.system import EnvSecrets
from buddy.errors import InvalidArguments

SECRET = "hunter2-and-more"


def refused(reference: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(InvalidArguments) as caught:
        EnvSecrets(environ or {}).resolve(reference)
    told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in told
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return path


class TestEnvironment:
    def test_is_looked_up_at_the_time(self) -> None:
        environ: dict[str, str] = {}
        secrets = EnvSecrets(environ)
        environ["TOKEN"] = SECRET
        assert secrets.resolve("env:TOKEN") == SECRET

    def test_is_the_process_s_own_by_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BUDDY_TEST_TOKEN", SECRET)
        assert EnvSecrets().resolve("env:BUDDY_TEST_TOKEN") == SECRET

    def test_a_missing_or_empty_one_is_named(self) -> None:
        assert "env:TOKEN" in refused("env:TOKEN")
        assert "env:TOKEN" in refused("env:TOKEN", {"TOKEN": ""})


class TestFile:
    @pytest.mark.parametrize("mode", [0o600, 0o400])
    def test_a_private_one_is_read_without_its_line_feed(self, file: Path, mode: int) -> None:
        file.chmod(mode)
        assert EnvSecrets({}).resolve(f"file:{file}") == SECRET

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
    def test_one_that_others_can_use_is_refused(self, file: Path, mode: int) -> None:
        file.chmod(mode)
        assert "chmod 600" in refused(f"file:{file}")

    def test_only_the_last_line_feed_goes(self, file: Path) -> None:
        file.write_text(" two\nlines\n\n")
        assert EnvSecrets({}).resolve(f"file:{file}") == " two\nlines\n"

    def test_what_is_no_text_shows_nothing(self, file: Path) -> None:
        file.write_bytes(SECRET.encode() + b"\xff")
        assert "UTF-8" in refused(f"file:{file}")

    def test_missing_empty_large_and_others(self, file: Path, tmp_path: Path) -> None:
        assert str(tmp_path / "gone") in refused(f"file:{tmp_path / 'gone'}")
        assert "regular file" in refused("file:/dev/null")
        assert refused(f"file:{tmp_path}")
        assert refused("file:a\0b")
        file.write_text("\n")
        assert "empty" in refused(f"file:{file}")
        file.write_text(SECRET * 10_000)
        assert "longer" in refused(f"file:{file}")


class TestKeyring:
    class Error(Exception):
        pass

    def install(self, monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
        keyring, errors = ModuleType("keyring"), ModuleType("keyring.errors")

        def get_password(service: str, name: str) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer.get((service, name))

        vars(keyring)["get_password"] = get_password
        vars(errors)["KeyringError"] = self.Error
        monkeypatch.setitem(sys.modules, "keyring", keyring)
        monkeypatch.setitem(sys.modules, "keyring.errors", errors)

    def test_is_asked_for_service_and_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.install(monkeypatch, {("crm/eu", "ada"): SECRET})
        assert EnvSecrets({}).resolve("keyring:crm/eu/ada") == SECRET
        assert "keyring:crm/bob" in refused("keyring:crm/bob")

    def test_its_errors_are_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.install(monkeypatch, self.Error("locked"))
        assert "cannot be read" in refused("keyring:crm/ada")

    def test_without_the_package_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "keyring", None)
        assert "buddy-control[keyring]" in refused("keyring:crm/ada")

    @pytest.mark.parametrize("place", ["crm", "/ada", "crm/"])
    def test_needs_both_parts(self, place: str) -> None:
        assert "SERVICE/NAME" in refused(f"keyring:{place}")


@pytest.mark.parametrize("reference", ["", SECRET, f"vault:{SECRET}", "env:", "env", ":", f"ENV:{SECRET}"])
def test_a_reference_of_no_known_kind_is_not_repeated(reference: str) -> None:
    assert "none of" in refused(reference)
