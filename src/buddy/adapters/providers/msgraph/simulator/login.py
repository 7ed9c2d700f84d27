"""The vendor's sign-in: tokens for an application by its secret, for a person by a code on another device."""

import base64
import html
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from buddy.adapters.providers.msgraph.simulator import identifiers
from buddy.adapters.providers.msgraph.simulator.store import Store
from buddy.adapters.providers.msgraph.simulator.tokens import LIFETIME_S, PERMISSIONS, RESOURCE, Tenant

CODE_LIFETIME_S = 900
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_OPENID = frozenset({"openid", "profile", "email", "offline_access"})


class Refused(Exception):
    """A sign-in that the vendor refuses.

    Args:
        status: of HTTP.
        error: the standard's word for it.
        number: the vendor's own, AADSTS.
        why: in words.
    """

    def __init__(self, status: int, error: str, number: int, why: str) -> None:
        self.status, self.error, self.number, self.why = status, error, number, why
        super().__init__(f"AADSTS{number}: {why}")


class Device(Struct, kw_only=True):
    """A sign-in that waits for a person.

    Attributes:
        scopes: that were asked for.
        expires_at: seconds since the epoch.
        user_code: what the person types.
        person: address of who agreed, empty so far; None where the person refused.
    """

    scopes: frozenset[str]
    expires_at: float
    user_code: str
    person: str | None = ""


class Login:
    """The addresses of the identity platform.

    Args:
        tenant: whose tokens are given out.
        store: of the people who can sign in.
    """

    def __init__(self, tenant: Tenant, store: Store) -> None:
        self._tenant, self._store = tenant, store
        self._devices: dict[str, Device] = {}
        self._refresh: dict[str, tuple[frozenset[str], str]] = {}

    def reset(self) -> None:
        """Forget every sign-in."""
        self._devices.clear()
        self._refresh.clear()

    def routes(self) -> list[Route]:
        """What is answered."""
        return [
            Route("/{tenant}/v2.0/.well-known/openid-configuration", self._configuration),
            Route("/{tenant}/oauth2/v2.0/token", self._token, methods=["POST"]),
            Route("/{tenant}/oauth2/v2.0/devicecode", self._device_code, methods=["POST"]),
            Route("/devicelogin", self._page, methods=["GET"]),
            Route("/devicelogin", self._decide, methods=["POST"]),
        ]

    async def _configuration(self, request: Request) -> Response:
        base = f"{str(request.base_url).rstrip('/')}/{request.path_params['tenant']}"
        return JSONResponse(
            {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            }
        )

    async def _token(self, request: Request) -> Response:
        try:
            form = await _form(request)
            self._check_tenant(request)
            grants = {
                "client_credentials": self._for_application,
                DEVICE_CODE: self._for_device,
                "refresh_token": self._for_refresh,
            }
            grant = grants.get(form.get("grant_type", ""))
            if grant is None:
                raise Refused(400, "unsupported_grant_type", 70003, "The grant type is not supported.")
            self._check_client(form, confidential=grant == self._for_application)
            return JSONResponse(grant(form), headers={"Cache-Control": "no-store"})
        except Refused as problem:
            return refusal(problem)

    async def _device_code(self, request: Request) -> Response:
        try:
            form = await _form(request)
            self._check_tenant(request)
            self._check_client(form, confidential=False)
            scopes = _scopes(form)
        except Refused as problem:
            return refusal(problem)
        device_code, user_code = secrets.token_urlsafe(48), secrets.token_hex(5).upper()[:9]
        ends = self._store.now() + CODE_LIFETIME_S
        self._devices[device_code] = Device(scopes=scopes, expires_at=ends, user_code=user_code)
        place = f"{str(request.base_url).rstrip('/')}/devicelogin"
        return JSONResponse(
            {
                "user_code": user_code,
                "device_code": device_code,
                "verification_uri": place,
                "expires_in": CODE_LIFETIME_S,
                "interval": 1,
                "message": f"To sign in, open the page {place} and enter the code {user_code}.",
            }
        )

    async def _page(self, request: Request) -> Response:
        code = html.escape(request.query_params.get("user_code", ""))
        people = "".join(f"<option>{html.escape(one.address)}</option>" for one in self._store.mailboxes())
        return HTMLResponse(
            "<!doctype html><title>Sign in</title><h1>Enter the code of your device</h1>"
            f"<form method=post><label>Code <input name=user_code value='{code}'></label>"
            f"<label>Account <select name=account>{people}</select></label>"
            "<button name=decision value=allow>Allow</button>"
            "<button name=decision value=deny>Deny</button></form>"
        )

    async def _decide(self, request: Request) -> Response:
        form = await _form(request)
        typed = form.get("user_code", "").strip().upper()
        device = next((one for one in self._devices.values() if one.user_code == typed), None)
        person = self._store.find(form.get("account", ""))
        if device is None or device.expires_at <= self._store.now():
            return HTMLResponse("<p>The code is not known, or expired.</p>", status_code=400)
        if form.get("decision") == "deny":
            device.person = None
            return HTMLResponse("<p>Refused.</p>")
        if person is None:
            return HTMLResponse("<p>There is no such account.</p>", status_code=400)
        device.person = person.address
        return HTMLResponse("<p>You are signed in; you can close this page.</p>")

    def _for_application(self, form: Mapping[str, str]) -> dict[str, Any]:
        if form.get("scope") != f"{RESOURCE}/.default":
            raise Refused(400, "invalid_scope", 1002012, "The scope has to end in /.default for this flow.")
        token = self._tenant.issue(self._tenant.application.consented)
        return {
            "token_type": "Bearer",
            "expires_in": LIFETIME_S,
            "ext_expires_in": LIFETIME_S,
            "access_token": token,
        }

    def _for_device(self, form: Mapping[str, str]) -> dict[str, Any]:
        device = self._devices.get(form.get("device_code", ""))
        if device is None:
            raise Refused(400, "bad_verification_code", 70000, "The device code is not known.")
        if device.expires_at <= self._store.now():
            raise Refused(400, "expired_token", 70020, "The device code expired.")
        if device.person is None:
            raise Refused(400, "authorization_declined", 70018, "The person declined.")
        if not device.person:
            raise Refused(400, "authorization_pending", 70016, "The person has not signed in yet.")
        del self._devices[form["device_code"]]
        return self._for_person(device.scopes, device.person)

    def _for_refresh(self, form: Mapping[str, str]) -> dict[str, Any]:
        known = self._refresh.get(form.get("refresh_token", ""))
        if known is None:
            raise Refused(400, "invalid_grant", 9002313, "The refresh token is malformed or not known.")
        scopes, person = known
        asked = _scopes(form) if form.get("scope") else scopes
        if not asked - _OPENID <= scopes:
            raise Refused(400, "invalid_grant", 65001, "The person has not consented to these permissions.")
        return self._for_person(asked | (scopes & _OPENID), person)

    def _for_person(self, scopes: frozenset[str], person: str) -> dict[str, Any]:
        granted = sorted(scopes & set(PERMISSIONS))
        mailbox = self._store.find(person)
        assert mailbox is not None, "a person who signed in has a mailbox"
        tenant, client, now = (
            self._tenant.tenant_id,
            self._tenant.application.client_id,
            int(self._store.now()),
        )
        found: dict[str, Any] = {
            "token_type": "Bearer",
            "scope": " ".join(f"{RESOURCE}/{name}" for name in granted),
            "expires_in": LIFETIME_S,
            "ext_expires_in": LIFETIME_S,
            "access_token": self._tenant.issue(granted, person),
        }
        if "offline_access" in scopes:
            found["refresh_token"] = f"1.{secrets.token_urlsafe(60)}"
            self._refresh[found["refresh_token"]] = scopes, person
        if "openid" in scopes:
            claims = {"aud": client, "tid": tenant, "sub": mailbox.user_id, "oid": mailbox.user_id}
            claims |= {"iss": f"https://login.microsoftonline.com/{tenant}/v2.0", "name": mailbox.name}
            claims |= {"preferred_username": person}
            found["id_token"] = self._tenant.sign({**claims, "iat": now, "nbf": now, "exp": now + LIFETIME_S})
            info = msgspec.json.encode({"uid": mailbox.user_id, "utid": tenant})
            found["client_info"] = base64.urlsafe_b64encode(info).rstrip(b"=").decode()
        return found

    def _check_tenant(self, request: Request) -> None:
        asked = request.path_params["tenant"].lower()
        if asked not in (self._tenant.tenant_id, "common", "organizations"):
            raise Refused(400, "invalid_request", 90002, f"Tenant '{asked}' not found.")

    def _check_client(self, form: Mapping[str, str], *, confidential: bool) -> None:
        application = self._tenant.application
        if form.get("client_id") != application.client_id:
            raise Refused(
                400, "unauthorized_client", 700016, "The application was not found in the directory."
            )
        given = form.get("client_secret")
        if given is None and confidential:
            raise Refused(401, "invalid_client", 7000218, "The request body must contain 'client_secret'.")
        if given is not None and not secrets.compare_digest(given.encode(), application.secret.encode()):
            raise Refused(401, "invalid_client", 7000215, "Invalid client secret provided.")


def refusal(problem: Refused) -> Response:
    """Write a refused sign-in as the vendor does."""
    trace = identifiers.guid("trace", problem.number, problem.why)
    body = {
        "error": problem.error,
        "error_description": f"AADSTS{problem.number}: {problem.why} Trace ID: {trace}",
        "error_codes": [problem.number],
        "trace_id": trace,
        "correlation_id": trace,
    }
    return JSONResponse(body, status_code=problem.status)


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))


def _scopes(form: Mapping[str, str]) -> frozenset[str]:
    """Read the scopes that are asked for; `.default` is everything that was consented to."""
    found: set[str] = set()
    for scope in form.get("scope", "").split():
        name = scope.removeprefix(f"{RESOURCE}/")
        if name == ".default":
            found |= set(PERMISSIONS)
        elif name in PERMISSIONS or name in _OPENID:
            found.add(name)
        else:
            raise Refused(
                400, "invalid_scope", 70011, f"The provided value for the scope {name} is not valid."
            )
    if not found - _OPENID:
        raise Refused(400, "invalid_scope", 70011, "The request asks for no permission.")
    return frozenset(found)
