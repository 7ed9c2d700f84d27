"""OAuth tokens that are used until they expire, refreshed once for all processes, and stored before use."""

import asyncio
import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from buddy.adapters.providers.base.credentials import FOLDER
from buddy.adapters.providers.base.errors import (
    AuthError,
    ProviderError,
    by_status,
)

EARLY_S = 60.0
"""Seconds before its expiry when a token is refreshed."""
_PAUSE_S = 0.02


class Tokens(Struct, frozen=True, kw_only=True):
    """What a provider's token endpoint gave.

    Attributes:
        access: of requests.
        refresh: gets the next; a provider may give another one each time.
        expires_at: seconds since the epoch.
    """

    access: str
    refresh: str = ""
    expires_at: float = 0.0


class TokenFile:
    """Tokens on disk, for their owner alone, replaced whole or not at all.

    Args:
        path: of the file; its folder is made where it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Tokens | None:
        """Return what was written last, None where nothing was.

        Raises:
            AuthError: the file is not one of ours, or not private.
        """
        try:
            with open(self._path, "rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    raise AuthError(f"{self._path}: expected a private file; run chmod 600 on it")
                return msgspec.json.decode(file.read(), type=Tokens)
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise AuthError(f"{self._path}: cannot be read: {problem.strerror}") from problem
        except msgspec.MsgspecError:
            raise AuthError(f"{self._path}: expected stored tokens, found another form") from None

    def write(self, tokens: Tokens) -> None:
        """Replace the file; durable when this returns."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with open(file, "wb") as out:
                out.write(msgspec.json.encode(tokens))
                out.flush()
                os.fsync(out.fileno())
            os.replace(name, self._path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            raise
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Be the only one, in all processes, who refreshes: a refresh token that rotates works once."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(_PAUSE_S)
            yield
        finally:
            os.close(file)


def file_for(home: Path, provider: str, *whose: str) -> TokenFile:
    """Return where the tokens of one sign-in are kept.

    Args:
        home: Buddy's.
        provider: its name.
        whose: everything that makes it another sign-in where it is another: address, application, account,
            first refresh token. One account's token is never used for another.
    """
    digest = sha256("\0".join(whose).encode()).hexdigest()[:16]
    return TokenFile(home / FOLDER / f"{provider}-{digest}.tokens.json")


Exchange = Callable[[httpx.AsyncClient, Tokens | None], Awaitable[Tokens]]
"""The tokens so far -> the next ones, from the provider; raises `AuthError` where it gives none."""


class OAuth:
    """Signs requests in with an access token that is refreshed when it is due; `api.Auth`.

    Args:
        exchange: asks the provider for tokens.
        file: where they are kept.
        start: tokens to begin with where the file has none.
        secrets: besides the tokens, that no output may show.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        exchange: Exchange,
        file: TokenFile,
        *,
        start: Tokens | None = None,
        secrets: Iterable[str] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._exchange = exchange
        self._file = file
        self._start = start
        self._now = now
        self._seen = set(secrets)

    async def headers(self, http: httpx.AsyncClient) -> Mapping[str, str]:
        """Return the header with a token that is good for a while."""
        tokens = self._known()
        if tokens is None or not tokens.access or tokens.expires_at < self._now() + EARLY_S:
            tokens = await self._next(http, tokens.access if tokens else "")
        return {"Authorization": f"Bearer {tokens.access}"}

    async def refresh(self, http: httpx.AsyncClient, refused: Mapping[str, str]) -> bool:
        """Get another token than the refused one."""
        await self._next(http, refused.get("Authorization", "").removeprefix("Bearer "))
        return True

    def secrets(self) -> Iterable[str]:
        """Every token that was used."""
        return tuple(self._seen)

    def _known(self) -> Tokens | None:
        tokens = self._file.read() or self._start
        if tokens is not None:
            self._seen.update(filter(None, (tokens.access, tokens.refresh)))
        return tokens

    async def _next(self, http: httpx.AsyncClient, spent: str) -> Tokens:
        async with self._file.alone():
            tokens = self._known()
            good = tokens is not None and tokens.access != spent
            if tokens is not None and good and tokens.expires_at >= self._now() + EARLY_S:
                return tokens  # another call, or another process, refreshed while this one waited
            return await _to_its_end(self._renewed(http, tokens))

    async def _renewed(self, http: httpx.AsyncClient, tokens: Tokens | None) -> Tokens:
        fresh = await self._exchange(http, tokens)
        try:
            self._file.write(fresh)  # before its first use: the old refresh token may be spent
        except OSError as problem:
            raise AuthError(f"fresh tokens cannot be kept: {problem.strerror}") from problem
        self._seen.update(filter(None, (fresh.access, fresh.refresh)))
        return fresh


async def _to_its_end(work: Coroutine[Any, Any, Tokens]) -> Tokens:
    """Await what must not be given up half way: the old refresh token is spent, the next not yet stored."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if task.done() and not task.cancelled():
            task.exception()  # heard, so that nobody is warned of it
        raise


def refused(answer: httpx.Response, provider: str) -> ProviderError:
    """Return the error of a token endpoint that gave nothing; it shows the endpoint's own code alone.

    No request was signed in with it, so that nothing was sent.
    """
    try:
        said = answer.json()
        code = said.get("error") or said.get("message") or "no reason given"
    except (ValueError, AttributeError, RecursionError):
        code = "no reason given"
    status = answer.status_code
    kind = by_status(status) if status in (408, 429) or status >= 500 else AuthError
    text = f"{provider}: signing in was refused ({answer.status_code}): {json.dumps(code)[:200]}"
    return kind(text, status=answer.status_code, unsent=kind is not AuthError)
