"""Access tokens: signed, with the permissions that were consented to, checked at every request."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from buddy.adapters.providers.msgraph.simulator import identifiers
from buddy.adapters.providers.msgraph.simulator.failures import refuse

LIFETIME_S = 3_599
RESOURCE = "https://graph.microsoft.com"
PERMISSIONS = ("Mail.ReadBasic", "Mail.Read", "Mail.ReadWrite", "Mail.Send", "User.Read")
"""Everything that a client can be allowed."""


class Claims(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a token says.

    Attributes:
        aud: who it is for.
        exp: seconds since the epoch when it ends.
        appid: the application that holds it.
        tid: tenant.
        scp: permissions of the person whom it stands for, with spaces between.
        roles: permissions of the application itself.
        upn: address of the person, empty where it stands for the application.
    """

    aud: str
    exp: float
    appid: str
    tid: str
    scp: str = ""
    roles: tuple[str, ...] = ()
    upn: str = ""

    @property
    def permissions(self) -> frozenset[str]:
        """What the holder may do."""
        return frozenset(self.roles) | frozenset(self.scp.split())


class Application(Struct, frozen=True, kw_only=True):
    """An application that is registered in the tenant.

    Attributes:
        client_id: its name.
        secret: by which it proves who it is.
        consented: permissions that an administrator agreed to.
    """

    client_id: str
    secret: str
    consented: tuple[str, ...] = PERMISSIONS


class Tenant:
    """The directory: one tenant with one registered application.

    Args:
        seed: of ids, secrets and the key that signs tokens.
        now: seconds since the epoch.
    """

    def __init__(self, seed: int, now: Callable[[], float]) -> None:
        self.tenant_id = identifiers.guid("tenant", seed)
        self.application = Application(
            client_id=identifiers.guid("application", seed),
            secret=f"sim~{hashlib.sha256(f'secret {seed}'.encode()).hexdigest()[:34]}",
        )
        self.now = now
        self._key = hashlib.sha256(f"signing key {seed}".encode()).digest()

    def issue(
        self,
        permissions: Iterable[str],
        upn: str = "",
        *,
        audience: str = RESOURCE,
        lifetime_s: float = LIFETIME_S,
    ) -> str:
        """Return a token.

        Args:
            permissions: that it carries.
            upn: address of the person it stands for, empty for the application itself.
            audience: who it is for.
            lifetime_s: seconds until it ends.
        """
        granted = tuple(sorted(permissions))
        claims = Claims(
            aud=audience,
            exp=self.now() + lifetime_s,
            appid=self.application.client_id,
            tid=self.tenant_id,
            scp=" ".join(granted) if upn else "",
            roles=() if upn else granted,
            upn=upn,
        )
        return self.sign(msgspec.to_builtins(claims))

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return claims as a signed token."""
        head = _encode(msgspec.json.encode({"typ": "JWT", "alg": "HS256"}))
        body = f"{head}.{_encode(msgspec.json.encode(claims))}"
        return f"{body}.{_encode(hmac.digest(self._key, body.encode(), 'sha256'))}"

    def check(self, authorization: str) -> Claims:
        """Return what the token of a request says; refuse a request without a good one."""
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or not token:
            refuse(401, "InvalidAuthenticationToken", "Access token is empty.")
        body, _, signature = token.strip().rpartition(".")
        try:
            good = hmac.compare_digest(_decode(signature), hmac.digest(self._key, body.encode(), "sha256"))
            claims = msgspec.json.decode(_decode(body.partition(".")[2]), type=Claims)
        except (ValueError, msgspec.MsgspecError):
            refuse(401, "InvalidAuthenticationToken", "CompactToken parsing failed with error code: 80049217")
        if not good:
            refuse(401, "InvalidAuthenticationToken", "Access token validation failure. Invalid signature.")
        if claims.aud != RESOURCE:
            refuse(401, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience.")
        if claims.exp <= self.now():
            why = "Lifetime validation failed, the token is expired."
            refuse(401, "InvalidAuthenticationToken", why)
        return claims


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
