"""Signing in with MSAL over the guarded connection, where tokens are kept, and what the check says."""

import asyncio
import json
import stat
import threading
import time
from pathlib import Path

import httpx
import pytest

from buddy.adapters.providers.base import api
from buddy.adapters.providers.base.credentials import Access
from buddy.adapters.providers.base.errors import AuthError, ProviderUnavailable
from buddy.adapters.providers.base.oauth import TokenFile, Tokens
from buddy.adapters.providers.msgraph import account, health
from buddy.adapters.providers.msgraph.login import sign_in
from buddy.model.mode import Mode
from providers.msgraph.bench import COLLEAGUE, HASTE, OWNER, Served

NEEDED = {"Mail.ReadWrite": True, "Mail.Send": True}


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "Patience", lambda: HASTE)


def access(graph: Served, home: Path, *names: str, **more: str) -> Access:
    """What a client is given of what the simulator says at its start."""
    greeting = graph.simulator.greeting(graph.base)
    given = {name: greeting[name] for name in ("base_url", "login_url", *names)} | more
    return Access(
        environ={f"BUDDY_MSGRAPH_{name.upper()}": value for name, value in given.items()}, folder=home
    )


def application(graph: Served, home: Path, **more: str) -> Access:
    return access(graph, home, "tenant_id", "client_id", "client_secret", "mailbox", **more)


def person(graph: Served, home: Path, **more: str) -> Access:
    return access(graph, home, "tenant_id", "client_id", **more)


def decide(graph: Served, decision: str, who: str = COLLEAGUE) -> tuple[list[str], object]:
    """Return what was shown, and a function that decides as a person would who reads it."""
    shown: list[str] = []

    def read(message: str) -> None:
        shown.append(message)
        form = {"user_code": message.rstrip(".").rpartition(" ")[2], "account": who, "decision": decision}
        threading.Timer(0.3, lambda: httpx.post(f"{graph.base}/devicelogin", data=form)).start()

    return shown, read


def kept(home: Path) -> list[Path]:
    """Files with tokens."""
    return list(home.glob("credentials/*.tokens.json"))


def token_requests(graph: Served) -> int:
    return sum(n for place, n in graph.simulator.layer.counts.by.items() if place.endswith("/token"))


async def test_an_application_signs_in_once_and_its_token_is_kept_for_its_owner_alone(
    graph: Served, tmp_path: Path
) -> None:
    known = application(graph, tmp_path)
    for mode in (Mode.DRY_RUN, Mode.LIVE, Mode.LIVE):
        assert len(await account.client(mode, known).get_messages()) == 5
    assert token_requests(graph) == 1
    (file,) = kept(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert graph.simulator.layer.counts.writes == 0, "signing in is no write"


async def test_many_calls_at_once_sign_in_once(graph: Served, tmp_path: Path) -> None:
    known = application(graph, tmp_path)
    found = await asyncio.gather(*(account.client(Mode.LIVE, known).get_messages() for _ in range(8)))
    assert [len(one) for one in found] == [5] * 8
    assert token_requests(graph) == 1


async def test_a_token_that_is_refused_is_replaced_once(graph: Served, tmp_path: Path) -> None:
    known = application(graph, tmp_path)
    await account.client(Mode.LIVE, known).get_messages()
    (file,) = kept(tmp_path)
    old = TokenFile(file).read()
    assert old is not None
    TokenFile(file).write(Tokens(access="revoked", expires_at=old.expires_at))
    assert len(await account.client(Mode.LIVE, known).get_messages()) == 5
    assert token_requests(graph) == 2


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"client_secret": "wrong"}, "invalid_client: AADSTS7000215"),
        ({"client_id": "00000000-0000-0000-0000-000000000000"}, "unauthorized_client: AADSTS700016"),
    ],
)
async def test_a_sign_in_that_is_refused_says_why_without_the_secret(
    graph: Served, tmp_path: Path, more: dict[str, str], words: str
) -> None:
    with pytest.raises(AuthError, match=words) as refused:
        await account.client(Mode.LIVE, application(graph, tmp_path, **more)).get_messages()
    assert graph.simulator.tenant.application.secret not in str(refused.value)
    assert kept(tmp_path) == []


async def test_a_platform_that_does_not_answer_is_unavailable(graph: Served, tmp_path: Path) -> None:
    for place in ("http://127.0.0.1:9", graph.base + "/nothing"):
        with pytest.raises(ProviderUnavailable):
            await account.client(Mode.LIVE, application(graph, tmp_path, login_url=place)).get_messages()


async def test_a_person_signs_in_by_a_code_and_the_refresh_token_goes_on(
    graph: Served, tmp_path: Path
) -> None:
    known = person(graph, tmp_path)
    with pytest.raises(AuthError, match="buddy providers login msgraph"):
        await account.client(Mode.LIVE, known).test_connection()
    graph.simulator.deliver(COLLEAGUE, "For Sam", "Hello")
    shown, read = decide(graph, "allow")
    await sign_in(known, read)  # type: ignore[arg-type]
    assert graph.base in shown[0]
    (mail,) = await account.client(Mode.LIVE, known).get_messages()
    assert mail["subject"] == "For Sam"

    (file,) = kept(tmp_path)
    first = TokenFile(file).read()
    assert first is not None
    TokenFile(file).write(Tokens(access=first.access, refresh=first.refresh, expires_at=time.time() - 1))
    await account.client(Mode.LIVE, known).get_messages()
    second = TokenFile(file).read()
    assert second is not None
    assert second.refresh not in ("", first.refresh), "the token that was rotated in is the one that is kept"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (await health.check(known)).scopes == NEEDED


async def test_a_person_who_declines_is_not_signed_in(graph: Served, tmp_path: Path) -> None:
    _, read = decide(graph, "deny")
    with pytest.raises(AuthError, match="authorization_declined"):
        await sign_in(person(graph, tmp_path), read)  # type: ignore[arg-type]


async def test_a_sign_in_that_is_given_up_asks_no_more(graph: Served, tmp_path: Path) -> None:
    shown = asyncio.Event()
    loop = asyncio.get_running_loop()

    def show(message: str) -> None:
        loop.call_soon_threadsafe(shown.set)

    waiting = asyncio.create_task(sign_in(person(graph, tmp_path), show))
    await shown.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    asked = token_requests(graph)
    await asyncio.sleep(1.5)
    assert token_requests(graph) <= asked + 1, "one may have been on its way"
    assert kept(tmp_path) == []


async def test_a_refresh_token_that_nobody_knows_says_that_signing_in_was_refused(
    graph: Served, tmp_path: Path
) -> None:
    known = person(graph, tmp_path)
    _, file = account.registration(known)
    file.write(Tokens(access="", refresh="gone", expires_at=0.0))
    with pytest.raises(AuthError, match="invalid_grant") as refused:
        await account.client(Mode.LIVE, known).get_messages()
    assert "gone" not in str(refused.value)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(AuthError, match=r"client_id .BUDDY_MSGRAPH_CLIENT_ID."):
        account.load(Access(environ={}, folder=tmp_path))
    secret = {"BUDDY_MSGRAPH_CLIENT_ID": "a", "BUDDY_MSGRAPH_CLIENT_SECRET": "b"}
    with pytest.raises(AuthError, match=r"tenant_id .* and mailbox"):
        account.load(Access(environ=secret, folder=tmp_path))
    with pytest.raises(AuthError, match="home"):
        account.load(Access(environ={"BUDDY_MSGRAPH_CLIENT_ID": "a"}))


def test_credentials_come_from_a_private_file_too(graph: Served, tmp_path: Path) -> None:
    file = tmp_path / "credentials" / "msgraph.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"token": graph.simulator.token(), "base_url": graph.url}))
    file.chmod(0o600)
    known = account.load(Access(environ={}, folder=tmp_path))
    assert (known.base_url, known.mailbox) == (graph.url, "")
    file.chmod(0o644)
    with pytest.raises(AuthError):
        account.load(Access(environ={}, folder=tmp_path))


async def test_the_check_says_what_it_found(graph: Served, tmp_path: Path) -> None:
    found = await health.check(Access(environ={}, folder=tmp_path))
    assert (found.configured, found.well) == (False, False)
    found = await health.check(application(graph, tmp_path))
    assert found.well
    assert (found.reachable, found.token_valid, found.scopes) == (True, True, NEEDED)

    reader = graph.simulator.token("Mail.Read")
    found = await health.check(access(graph, tmp_path, token=reader))
    assert found.scopes == {"Mail.ReadWrite": False, "Mail.Send": False}
    assert found.problem == "msgraph: the token lacks Mail.ReadWrite and Mail.Send"
    found = await health.check(access(graph, tmp_path, token=graph.simulator.token("Mail.Send")))
    assert (found.reachable, found.token_valid, found.well) == (True, True, False)
    found = await health.check(access(graph, tmp_path, token="opaque"))
    assert (found.reachable, found.token_valid) == (True, False)
    assert found.scopes == {"Mail.ReadWrite": None, "Mail.Send": None}
    found = await health.check(access(graph, tmp_path, token="opaque", base_url="http://127.0.0.1:9"))
    assert (found.reachable, found.token_valid) == (False, None)
    found = await health.check(person(graph, tmp_path))
    assert (found.reachable, found.token_valid) == (None, False)
    assert graph.simulator.layer.counts.writes == 0


def test_the_identity_platform_refuses_what_it_does_not_know(graph: Served) -> None:
    tenant = graph.simulator.tenant
    client = {"client_id": tenant.application.client_id}
    secret = {**client, "client_secret": tenant.application.secret}

    def ask(place: str, form: dict[str, str], at: str = tenant.tenant_id) -> tuple[int, str]:
        answer = httpx.post(f"{graph.base}/{at}/oauth2/v2.0/{place}", data=form)
        return answer.status_code, answer.json()["error"]

    assert ask("token", {**secret, "grant_type": "password"}) == (400, "unsupported_grant_type")
    assert ask("token", {**secret, "grant_type": "client_credentials"}) == (400, "invalid_scope")
    assert ask("token", {**client, "grant_type": "client_credentials"}) == (401, "invalid_client")
    assert ask("token", secret, at="nowhere") == (400, "invalid_request")
    assert ask("devicecode", {**client, "scope": "Files.Read"}) == (400, "invalid_scope")
    assert ask("devicecode", {**client, "scope": "openid"}) == (400, "invalid_scope")
    device = "urn:ietf:params:oauth:grant-type:device_code"
    unknown = {**client, "grant_type": device, "device_code": "x"}
    assert ask("token", unknown) == (400, "bad_verification_code")
    page = httpx.get(f"{graph.base}/devicelogin?user_code=%3Cscript%3E")
    assert OWNER in page.text
    assert "<script>" not in page.text
    assert httpx.post(f"{graph.base}/devicelogin", data={"user_code": "x"}).status_code == 400
