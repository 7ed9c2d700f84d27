import asyncio
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest

from buddy.adapters.providers.base.errors import (
    AuthError,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
)
from buddy.adapters.providers.base.oauth import OAuth, TokenFile, Tokens, file_for, refused

HTTP: Any = None
"""The exchanges here do not use it."""


class Issuer:
    """Gives tokens for a refresh token that works once."""

    def __init__(self) -> None:
        self.good = "refresh-0"
        self.times = 0

    async def __call__(self, http: httpx.AsyncClient, tokens: Tokens | None) -> Tokens:
        assert tokens is not None
        await asyncio.sleep(0.01)
        if tokens.refresh != self.good:
            raise AuthError("the refresh token was used before")
        self.times += 1
        self.good = f"refresh-{self.times}"
        return Tokens(access=f"access-{self.times}", refresh=self.good, expires_at=1_000.0 * self.times)


START = Tokens(access="", refresh="refresh-0")


def test_a_token_is_fetched_used_until_it_expires_and_then_refreshed(tmp_path: Path) -> None:
    now = [0.0]
    issuer = Issuer()
    auth = OAuth(issuer, TokenFile(tmp_path / "t.json"), start=START, now=lambda: now[0])

    async def go() -> list[str]:
        seen = []
        for time in (0.0, 900.0, 950.0, 1_500.0):
            now[0] = time
            seen.append((await auth.headers(HTTP))["Authorization"])
        return seen

    assert asyncio.run(go()) == ["Bearer access-1", "Bearer access-1", "Bearer access-2", "Bearer access-2"]
    assert set(auth.secrets()) >= {"access-1", "refresh-0", "refresh-1", "access-2"}


def test_many_who_were_refused_at_once_refresh_once(tmp_path: Path) -> None:
    issuer = Issuer()
    file = TokenFile(tmp_path / "t.json")
    several = [OAuth(issuer, file, start=START, now=lambda: 0.0) for _ in range(5)]

    async def go() -> list[Any]:
        first = await several[0].headers(HTTP)
        refused = [auth.refresh(HTTP, first) for auth in several for _ in range(4)]
        assert all(await asyncio.gather(*refused))
        return [await auth.headers(HTTP) for auth in several]

    assert asyncio.run(go()) == [{"Authorization": "Bearer access-2"}] * 5
    assert issuer.times == 2


def test_what_was_issued_is_on_disk_before_it_is_used(tmp_path: Path) -> None:
    issuer = Issuer()
    file = TokenFile(tmp_path / "deep" / "t.json")
    auth = OAuth(issuer, file, start=START, now=lambda: 0.0)
    asyncio.run(auth.headers(HTTP))
    stored = file.read()
    assert stored is not None
    assert stored.refresh == "refresh-1"
    path = tmp_path / "deep" / "t.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = OAuth(issuer, file, start=START, now=lambda: 0.0)  # the start is worth nothing by now
    assert asyncio.run(again.headers(HTTP)) == {"Authorization": "Bearer access-1"}


def test_a_refresh_that_fails_leaves_what_was_stored(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "t.json")
    file.write(Tokens(access="a", refresh="spent", expires_at=0.0))
    auth = OAuth(Issuer(), file, now=lambda: 0.0)
    with pytest.raises(AuthError):
        asyncio.run(auth.headers(HTTP))
    assert file.read() == Tokens(access="a", refresh="spent", expires_at=0.0)
    assert [one.name for one in tmp_path.iterdir() if one.suffix != ".lock"] == ["t.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"access": 1}'])
def test_a_file_of_another_form_is_an_error_that_does_not_show_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(AuthError, match="expected stored tokens"):
        TokenFile(path).read()


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('{"access": "a"}')
    path.chmod(0o644)
    with pytest.raises(AuthError, match="chmod 600"):
        TokenFile(path).read()


def test_what_cannot_be_kept_is_an_error_of_signing_in(tmp_path: Path) -> None:
    folder = tmp_path / "t.json"
    folder.mkdir()
    with pytest.raises(AuthError, match="cannot be read"):
        TokenFile(folder).read()


def test_tokens_that_cannot_be_written_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = TokenFile(tmp_path / "t.json")

    def full(tokens: Tokens) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file, "write", full)
    auth = OAuth(Issuer(), file, start=START, now=lambda: 0.0)
    with pytest.raises(AuthError, match="No space left"):
        asyncio.run(auth.headers(HTTP))


def test_a_refresh_that_is_given_up_is_stored_all_the_same(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "t.json")
    auth = OAuth(Issuer(), file, start=START, now=lambda: 0.0)

    async def go() -> None:
        asking = asyncio.create_task(auth.headers(HTTP))
        await asyncio.sleep(0.005)  # the issuer takes 0.01 s
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(go())
    stored = file.read()
    assert stored is not None, "the refresh token was spent and the next one lost"
    assert stored.refresh == "refresh-1"


def test_another_sign_in_has_tokens_of_its_own(tmp_path: Path) -> None:
    file = file_for(tmp_path, "vendor", "app", "location")
    file.write(Tokens(access="a"))
    assert file_for(tmp_path, "vendor", "app", "location").read() == Tokens(access="a")
    assert file_for(tmp_path, "vendor", "app", "location-2").read() is None
    assert file_for(tmp_path, "vendor", "applocation", "").read() is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, AuthError),
        (401, AuthError),
        (408, ProviderTimeout),
        (429, RateLimited),
        (503, ProviderUnavailable),
    ],
)
def test_what_a_token_endpoint_answers_is_told_as_what_it_means(
    status: int, kind: type[ProviderError]
) -> None:
    error = refused(httpx.Response(status, json={"error": "why"}), "vendor")
    assert type(error) is kind
    assert error.unsent is (kind is not AuthError)
    assert str(error) == f'vendor: signing in was refused ({status}): "why"'
