"""Which mailbox, with which credentials: from the environment, the keyring or Buddy's home."""

from typing import TYPE_CHECKING

from msgspec import Struct

from buddy.adapters.providers.base import credentials
from buddy.adapters.providers.base.api import Api, Auth, Bearer, real_transport
from buddy.adapters.providers.base.credentials import Access
from buddy.adapters.providers.base.errors import AuthError
from buddy.adapters.providers.base.oauth import OAuth, TokenFile, file_for
from buddy.adapters.providers.base.transport import ModeTransport, SimulatorTransport
from buddy.adapters.providers.msgraph import wire
from buddy.adapters.providers.msgraph.allowed import ALLOWED
from buddy.adapters.providers.msgraph.client import GraphClient
from buddy.adapters.providers.msgraph.once import SentOnce
from buddy.adapters.providers.msgraph.simulator.app import GraphSimulator
from buddy.adapters.providers.msgraph.simulator.seeded import MAILBOX
from buddy.model.mode import Mode

if TYPE_CHECKING:
    from buddy.adapters.providers.msgraph.auth import Registration

NAME = "msgraph"
_OPTIONAL = ("token", "client_secret", "mailbox", "tenant_id", "base_url", "login_url")


class Account(Struct, frozen=True, kw_only=True):
    """What is needed to open a mailbox.

    Attributes:
        auth: signs requests in.
        mailbox: address, empty for the signed-in person's own.
        base_url: of the vendor's interface.
    """

    auth: Auth
    mailbox: str
    base_url: str


def load(access: Access) -> Account:
    """Return the account that the credentials stand for.

    A `token` is used as it is. A `client_secret` signs in as the application, which needs `mailbox` and
    `tenant_id`. Without one a person signs in, by a code on another device.

    Raises:
        AuthError: names what is missing and where it could be.
    """
    found = credentials.look(NAME, ("client_id", *_OPTIONAL), access)
    mailbox, base_url = found.get("mailbox", ""), found.get("base_url", wire.BASE_URL)
    if "token" in found:
        return Account(auth=Bearer(found["token"]), mailbox=mailbox, base_url=base_url)
    secret = found.get("client_secret", "")
    names = ("client_id", "tenant_id", "mailbox") if secret else ("client_id",)
    found = credentials.load(NAME, names, access, optional=_OPTIONAL)
    auth = OAuth(_registration(found).exchange, _tokens(access, found, secret), secrets=(secret,))
    return Account(auth=auth, mailbox=mailbox, base_url=base_url)


def client(mode: Mode, access: Access) -> GraphClient:
    """Return a client whose every request goes through the guard of a mode.

    Args:
        mode: MOCK reaches the simulator alone, DRY_RUN only reads, LIVE acts.
        access: where credentials are looked for.

    Raises:
        AuthError: in DRY_RUN and LIVE, credentials are missing.
    """
    if mode is Mode.MOCK:
        return simulated(GraphSimulator())
    account = load(access)
    return GraphClient(lambda: connection(mode, account), account.mailbox)


def connection(mode: Mode, account: Account) -> Api:
    """Return the vendor's interface under the guard of a mode."""
    guard = ModeTransport(mode, real=SentOnce(real_transport()), allow=ALLOWED, secrets=account.auth.secrets)
    return _api(account.base_url, guard, account.auth)


def simulated(simulator: GraphSimulator) -> GraphClient:
    """Return a client of a simulator in this process; it opens no socket."""
    auth = Bearer(simulator.token())

    def connect() -> Api:
        guard = ModeTransport(Mode.MOCK, simulator=SimulatorTransport(simulator))
        return _api(wire.BASE_URL, guard, auth)

    return GraphClient(connect, MAILBOX)


def registration(access: Access) -> "tuple[Registration, TokenFile]":
    """Return what a person signs in to, and where the tokens are kept then.

    Raises:
        AuthError: no application is named.
    """
    found = credentials.load(NAME, ("client_id",), access, optional=_OPTIONAL)
    return _registration(found), _tokens(access, found, "")


def _registration(found: dict[str, str]) -> "Registration":
    # Imported here because MSAL's own dependencies open a socket when they are imported, and MOCK opens none.
    from buddy.adapters.providers.msgraph.auth import Registration

    return Registration(
        found.get("tenant_id", "common"),
        found["client_id"],
        found.get("client_secret", ""),
        found.get("login_url", wire.AUTHORITY),
    )


def _tokens(access: Access, found: dict[str, str], secret: str) -> TokenFile:
    if access.folder is None:
        raise AuthError("msgraph: signing in needs Buddy's home, where the tokens are kept")
    names = ("base_url", "login_url", "tenant_id", "client_id")
    kind = "application" if secret else "person"
    return file_for(access.folder, NAME, kind, *(found.get(name, "") for name in names))


def _api(base_url: str, guard: ModeTransport, auth: Auth) -> Api:
    return Api(base_url, guard, auth, headers={"Prefer": wire.PREFER}, meaning=wire.meaning)
