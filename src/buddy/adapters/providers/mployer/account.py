"""Whose portal it is, and how it is opened in each mode."""

from uuid import uuid4

from msgspec import Struct

from buddy.adapters.providers.base.credentials import Access, load
from buddy.adapters.providers.base.errors import AuthError
from buddy.adapters.providers.gohighlevel.client import GoHighLevelClient
from buddy.adapters.providers.gohighlevel.client import account as crm_account
from buddy.adapters.providers.mployer import selectors
from buddy.adapters.providers.mployer.client import ATTEMPTS, Mailbox, MployerClient
from buddy.adapters.providers.mployer.mailbox import GraphMailbox
from buddy.adapters.providers.mployer.portal import ChromiumPortal, InProcessPortal
from buddy.adapters.providers.mployer.walk import Login
from buddy.adapters.providers.msgraph import account as mail
from buddy.model.mode import Mode

NAME = "mployer"
CREDENTIALS = ("base_url", "username", "password")
"""There is no address of the portal that everybody uses, so that it is one of them."""


class Account(Struct, frozen=True, kw_only=True):
    """Where the portal is, and who signs in.

    Attributes:
        base_url: of the portal.
        login: the account.
    """

    base_url: str
    login: Login


def account(access: Access) -> Account:
    """Return the account that the credentials name.

    Raises:
        AuthError: names the credentials that are missing.
    """
    known = load(NAME, CREDENTIALS, access)
    login = Login(username=known["username"], password=known["password"])
    return Account(base_url=known["base_url"].rstrip("/"), login=login)


def client(access: Access, mode: Mode, run: str = "", *, attempts: int = ATTEMPTS) -> MployerClient:
    """Return a client of the portal in a real browser.

    Args:
        access: where the credentials of the portal, of GoHighLevel and of the mailbox are looked for; the
            latter two may be missing.
        mode: of the calls.
        run: whose window it is; empty: one of its own.
        attempts: how often something that only reads is tried.

    Raises:
        AuthError: names the credentials of the portal that are missing.
    """
    known, names = account(access), selectors.load(access.environ)
    return MployerClient(
        ChromiumPortal(known.base_url, mode, run or f"client-{uuid4().hex}", names.session_paths),
        known.login,
        mailbox=_mailbox(access),
        contacts=_contacts(access, mode),
        selectors=names,
        attempts=attempts,
    )


def simulated(seed: int = 0) -> MployerClient:
    """Return a client of a simulated portal in this process, which hands contacts to a simulated CRM."""
    from buddy.adapters.providers.mployer.simulator.portal import simulator

    app = simulator(seed)
    login = Login(username=app.portal.login.username, password=app.portal.login.password)
    return MployerClient(InProcessPortal(app), login, contacts=GoHighLevelClient(mode=Mode.MOCK))


def _contacts(access: Access, mode: Mode) -> GoHighLevelClient | None:
    try:
        return GoHighLevelClient(crm_account(access), mode=mode)
    except AuthError:  # only handing contacts over needs it, and says so
        return None


def _mailbox(access: Access) -> Mailbox | None:
    try:
        # A code is read, whatever the mode of the call that needs it.
        return GraphMailbox(mail.client(Mode.DRY_RUN, access))
    except AuthError:  # only an account whose codes are mailed needs it, and says so
        return None
