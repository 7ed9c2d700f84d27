"""Signing in, with MSAL over the guarded connection: as an application by its secret, or as a person.

MSAL speaks the protocol; what it gets is kept in Buddy's home (mode 0600, replaced whole) and shared by all
processes.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import httpx

from buddy.adapters.providers.base.errors import AuthError, ProviderUnavailable
from buddy.adapters.providers.base.oauth import Tokens
from buddy.adapters.providers.msgraph.wire import AUTHORITY

SCOPES = ("Mail.ReadWrite", "Mail.Send", "User.Read")
"""What a person is asked to consent to."""
msal: Any = import_module("msal")  # it has no types
_EVERYTHING = "https://graph.microsoft.com/.default"


class Registration:
    """An application in a tenant, as MSAL knows it.

    Args:
        tenant_id: GUID or domain of the tenant, `common` for any.
        client_id: of the application.
        client_secret: empty where the application stands for a person.
        login_url: where the vendor's identity platform is reached.
    """

    def __init__(
        self, tenant_id: str, client_id: str, client_secret: str = "", login_url: str = AUTHORITY
    ) -> None:
        self.client_id, self.client_secret = client_id, client_secret
        self._authority = f"{AUTHORITY}/{tenant_id}"
        self._login_url = login_url.rstrip("/")

    async def exchange(self, http: httpx.AsyncClient, tokens: Tokens | None) -> Tokens:
        """Get the next tokens: by the secret, or by a person's refresh token.

        Raises:
            AuthError: the platform refuses, or the person has to sign in first.
        """
        if self.client_secret:
            return await self._ask(http, lambda app: app.acquire_token_for_client([_EVERYTHING]))
        if tokens is None or not tokens.refresh:
            raise AuthError("msgraph: nobody is signed in; run `buddy providers login msgraph`")
        refresh = tokens.refresh
        return await self._ask(
            http, lambda app: app.acquire_token_by_refresh_token(refresh, list(SCOPES)), refresh
        )

    async def sign_in(self, http: httpx.AsyncClient, show: Callable[[str], object]) -> Tokens:
        """Let a person sign in on another device, and wait for it.

        Args:
            http: the guarded connection.
            show: is given what the person has to do, in words.

        Raises:
            AuthError: the person declined, or the code expired.
        """

        def ask(app: Any) -> Any:
            flow = app.initiate_device_flow(list(SCOPES))
            if "message" not in flow:
                return flow
            show(flow["message"])
            return app.acquire_token_by_device_flow(flow)

        return await self._ask(http, ask)

    async def _ask(self, http: httpx.AsyncClient, ask: Callable[[Any], Any], refresh: str = "") -> Tokens:
        bridge = _Bridge(http, asyncio.get_running_loop(), self._login_url)

        def work() -> Any:
            kind = msal.ConfidentialClientApplication if self.client_secret else msal.PublicClientApplication
            app = kind(
                self.client_id,
                client_credential=self.client_secret or None,
                authority=self._authority,
                instance_discovery=False,
                http_client=bridge,
            )
            return ask(app)

        asked_at = time.time()
        try:
            found = await asyncio.to_thread(work)
        except asyncio.CancelledError:
            await bridge.stop()  # or the thread would wait for the person until the code expires
            raise
        except httpx.HTTPError as problem:
            why = f"{self._login_url}: {problem} ({type(problem).__name__})"
            raise ProviderUnavailable(f"msgraph: signing in failed: {why}", unsent=True) from problem
        except ValueError as problem:  # MSAL's word for an authority that does not answer as one
            why = _first_line(str(problem))
            raise ProviderUnavailable(f"msgraph: signing in failed: {why}", unsent=True) from problem
        if "access_token" not in found:
            raise _refused(found)
        return Tokens(
            access=found["access_token"],
            refresh=found.get("refresh_token", refresh),
            expires_at=asked_at + float(found["expires_in"]),
        )


class _Answer:
    """An answer as MSAL reads it."""

    def __init__(self, status_code: int, text: str, headers: Mapping[str, str]) -> None:
        self.status_code, self.text, self.headers = status_code, text, headers

    def raise_for_status(self) -> None:
        if self.status_code >= 500:
            raise ValueError(f"the identity platform answered {self.status_code}")


class _Bridge:
    """MSAL's connection: its requests, made in a thread, go through the client on the event loop.

    MSAL takes no authority over http, as simulators are served: it is told the vendor's own, which stands
    for `login_url` here.
    """

    def __init__(self, http: httpx.AsyncClient, loop: asyncio.AbstractEventLoop, login_url: str) -> None:
        self._http, self._loop, self._login_url = http, loop, login_url
        self._stopped = False
        self._asking: asyncio.Task[Any] | None = None

    async def stop(self) -> None:
        """Let no more requests out, and end the one that is under way: nobody waits for the answer."""
        self._stopped = True
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    def get(self, url: str, params: Any = None, headers: Any = None, **kwargs: Any) -> _Answer:
        answer = self._send("GET", url, params=params, headers=headers)
        return _Answer(answer.status_code, answer.text.replace(self._login_url, AUTHORITY), answer.headers)

    def post(
        self, url: str, params: Any = None, data: Any = None, headers: Any = None, **kwargs: Any
    ) -> _Answer:
        answer = self._send("POST", url, params=params, data=data, headers=headers)
        return _Answer(answer.status_code, answer.text, answer.headers)

    def close(self) -> None:
        """The client is not ours."""

    def _send(self, method: str, url: str, **parts: Any) -> httpx.Response:
        here = url.replace(AUTHORITY, self._login_url, 1)
        return asyncio.run_coroutine_threadsafe(self._ask(method, here, parts), self._loop).result()

    async def _ask(self, method: str, url: str, parts: Mapping[str, Any]) -> httpx.Response:
        if self._stopped:
            raise ConnectionAbortedError("nobody waits for this sign-in any more")
        self._asking = asyncio.current_task()
        try:
            return await self._http.request(method, url, **parts)
        finally:
            self._asking = None


def _refused(found: Mapping[str, Any]) -> AuthError:
    code, why = found.get("error", "no reason given"), _first_line(str(found.get("error_description", "")))
    return AuthError(f"msgraph: signing in was refused: {code}: {why[:200]}")


def _first_line(text: str) -> str:
    return text.split("\n")[0].split(" Trace ID:")[0]
