"""Who may call: a private integration token, or OAuth tokens whose refresh token works once."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from buddy.adapters.providers.gohighlevel.simulator.shapes import V3, Refusal
from buddy.adapters.providers.gohighlevel.simulator.store import made_id

LASTS_S = 86_399
SCOPES = ("contacts.readonly", "contacts.write")
_CAMEL = {
    "client_id": "clientId",
    "client_secret": "clientSecret",
    "grant_type": "grantType",
    "refresh_token": "refreshToken",
    "user_type": "userType",
    "redirect_uri": "redirectUri",
}


class Grant(Struct, frozen=True, kw_only=True):
    """What a token allows.

    Attributes:
        scopes: of the vendor.
        until: seconds since the epoch, None for ever.
    """

    scopes: tuple[str, ...] = SCOPES
    until: float | None = None


class Tokens:
    """The tokens of one location.

    Args:
        seed: of all tokens.
        location_id: whose.
        now: seconds since the epoch.

    Attributes:
        token: the private integration token, which lasts.
        read_only: another, with the scope for reading alone.
        client_id, client_secret: of the app that may use OAuth.
        refresh: the refresh token that works now.
    """

    def __init__(self, seed: int, location_id: str, now: Callable[[], float]) -> None:
        self._seed, self._location, self._now = seed, location_id, now
        self.token = f"pit-{made_id(seed, 'pit', length=32)}"
        self.read_only = f"pit-{made_id(seed, 'read only', length=32)}"
        self.client_id = made_id(seed, "client", length=24)
        self.client_secret = made_id(seed, "client secret", length=36)
        self.reset()

    def reset(self) -> None:
        """Forget what OAuth gave."""
        self._turns = 0
        self._grants = {self.token: Grant(), self.read_only: Grant(scopes=SCOPES[:1])}
        self.refresh = made_id(self._seed, "refresh", 0, length=40)

    def allow(self, authorization: str, *, writes: bool) -> None:
        """Let a request pass.

        Raises:
            Refusal: 401 with the vendor's words.
        """
        kind, _, token = authorization.partition(" ")
        grant = self._grants.get(token)
        if kind.lower() != "bearer" or not token:
            raise Refusal(401, "Invalid JWT", error="Unauthorized")
        if grant is None or (grant.until is not None and grant.until <= self._now()):
            raise Refusal(401, "Invalid token: access token is invalid", error="Unauthorized")
        if SCOPES[1 if writes else 0] not in grant.scopes:
            raise Refusal(401, "The token is not authorized for this scope.", error="Unauthorized")

    def exchange(self, form: Mapping[str, Any], dialect: str) -> dict[str, Any]:
        """Answer a request for tokens.

        Raises:
            Refusal: with the vendor's words.
        """
        given = {key: form.get(_CAMEL[key] if dialect == V3 else key) for key in _CAMEL}
        if given["grant_type"] not in ("refresh_token", "authorization_code", "client_credentials"):
            raise Refusal(422, ["grant_type must be a valid enum value"], error="Unprocessable Entity")
        if (given["client_id"], given["client_secret"]) != (self.client_id, self.client_secret):
            raise Refusal(401, "Invalid client credentials!", error="Unauthorized")
        if given["grant_type"] != "refresh_token" or given["refresh_token"] != self.refresh:
            raise Refusal(400, "Invalid grant: refresh token is invalid", error="Bad Request")
        self._turns += 1
        access = made_id(self._seed, "access", self._turns, length=40)
        self.refresh = made_id(self._seed, "refresh", self._turns, length=40)
        self._grants[access] = Grant(until=self._now() + LASTS_S)
        answer = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": LASTS_S,
            "refresh_token": self.refresh,
            "scope": " ".join(SCOPES),
            "userType": "Location",
            "locationId": self._location,
            "userId": made_id(self._seed, "user"),
        }
        camel = {"access_token": "accessToken", "token_type": "tokenType", "expires_in": "expiresIn"}
        return {
            (camel | _CAMEL).get(key, key) if dialect == V3 else key: value for key, value in answer.items()
        }
