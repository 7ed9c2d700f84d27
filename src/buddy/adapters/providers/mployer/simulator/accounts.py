"""Who may use the portal, and who is signed in."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from itertools import count

from msgspec import Struct

Deliver = Callable[[str, str, str], Awaitable[None]]
"""(mailbox, subject, text) -> the mail is in that mailbox."""

SESSION_S = 1800.0
"""Seconds that a session lasts without a page being asked for."""
CODE_S = 600.0
"""Seconds that a mailed code may be used."""
TRIES = 5
"""Wrong codes before a new sign-in is asked for."""


class Login(Struct, frozen=True, kw_only=True):
    """An account of the portal.

    Attributes:
        mailbox: where codes are mailed to.
    """

    username: str
    password: str
    mailbox: str


class Visit(Struct, kw_only=True):
    """What the portal knows of one browser, by its cookie.

    Attributes:
        seen_at: seconds, of the portal's clock, when it last asked for a page.
        username: as given on the first page of the sign-in.
        code: that was mailed, empty where none is waited for.
        code_at: seconds, of the portal's clock, when it was.
        tries: wrong codes so far.
        signed_in: the way in is behind it.
    """

    seen_at: float
    username: str = ""
    code: str = ""
    code_at: float = 0.0
    tries: int = 0
    signed_in: bool = False


def login_of(seed: int) -> Login:
    """Return the one account of a portal, which goes by its seed."""
    word = hashlib.sha256(f"portal password {seed}".encode()).hexdigest()[:12]
    return Login(
        username="dana.broker@agency.example",
        password=f"portal-{word}",
        mailbox="dana.broker@agency.example",
    )


class Accounts:
    """Sign-in in two steps, or three where codes are mailed.

    Args:
        login: the account.
        now: the portal's clock, in seconds.
        deliver: mails a code; None: no code is asked for.
        seed: of cookies and codes, which are the same for the same order of events.
    """

    def __init__(self, login: Login, now: Callable[[], float], deliver: Deliver | None, seed: int) -> None:
        self.login = login
        self._now = now
        self._deliver = deliver
        self._seed = seed
        self._numbers = count(1)
        self._visits: dict[str, Visit] = {}

    @property
    def signed_in(self) -> int:
        """How many sessions are open."""
        return sum(self._fresh(visit) and visit.signed_in for visit in self._visits.values())

    def visit(self, cookie: str | None) -> tuple[Visit | None, bool]:
        """Return the visit that a cookie belongs to, and whether it has just run out."""
        visit = self._visits.get(cookie or "")
        if visit is None:
            return None, False
        if not self._fresh(visit):
            self._visits.pop(cookie or "")
            return None, visit.signed_in
        visit.seen_at = self._now()
        return visit, False

    def begin(self, username: str) -> str:
        """Take a user name, whether there is one like it or not; returns the cookie of the visit."""
        cookie = self._token("visit")
        self._visits[cookie] = Visit(seen_at=self._now(), username=username)
        return cookie

    async def password(self, visit: Visit, password: str) -> bool:
        """Take a password; a right one opens the session, or mails a code that will."""
        expected = self.login
        same = hmac.compare_digest(
            f"{visit.username.casefold()}\n{password}".encode(),
            f"{expected.username.casefold()}\n{expected.password}".encode(),
        )
        if same and self._deliver is None:
            visit.signed_in = True
        elif same and self._deliver is not None:
            visit.code = f"{int(self._token('code'), 16) % 10**6:06d}"
            visit.code_at, visit.tries = self._now(), 0
            text = f"Your sign-in code is {visit.code}. It can be used for {CODE_S / 60:.0f} minutes."
            await self._deliver(expected.mailbox, "Your Mployer sign-in code", text)
        return same

    def code(self, visit: Visit, code: str) -> bool:
        """Take a mailed code; the right one opens the session."""
        if not visit.code:
            return False
        if visit.tries >= TRIES or self._now() - visit.code_at > CODE_S:
            visit.code = ""
            return False
        if not hmac.compare_digest(visit.code.encode(), code.strip().encode()):
            visit.tries += 1
            return False
        visit.code, visit.signed_in = "", True
        return True

    def end(self, cookie: str | None) -> None:
        """Close a session."""
        self._visits.pop(cookie or "", None)

    def expire(self) -> int:
        """Let every open session run out at once; returns how many."""
        signed_in = [visit for visit in self._visits.values() if visit.signed_in]
        for visit in signed_in:
            visit.seen_at = float("-inf")
        return len(signed_in)

    def _fresh(self, visit: Visit) -> bool:
        return self._now() - visit.seen_at <= SESSION_S

    def _token(self, what: str) -> str:
        number = next(self._numbers)
        return hashlib.sha256(f"{what} {self._seed} {number}".encode()).hexdigest()[:32]
