"""A write whose end nobody knows is not sent again, whoever asks for it."""

from collections import OrderedDict
from collections.abc import Awaitable
from typing import TypeVar

import httpx

from buddy.adapters.providers.base.errors import ProviderError, Uncertain
from buddy.adapters.providers.base.transport import SAFE

T = TypeVar("T")

RETRY = "retry-attempt"
"""The header that the vendor's own SDKs put on a request that they send again."""
KNOWN = 1_000
"""Writes that are remembered."""


class SentOnce(httpx.AsyncBaseTransport):
    """Answers the repeat of a write with what the first attempt was answered, where it may have happened.

    The vendor's SDKs send a mail again on 429, 503 and 504. After 429 nothing happened; after the others
    it may have, so that the repeat would be a second mail.

    Args:
        inner: sends.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self._doubtful: OrderedDict[tuple[str, str, bytes], tuple[int, bytes]] = OrderedDict()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, or repeat the answer to it."""
        if request.method in SAFE:
            return await self._inner.handle_async_request(request)
        sent = (request.method, str(request.url), await request.aread())
        if RETRY in request.headers and sent in self._doubtful:
            status, body = self._doubtful[sent]
            # A status that no client takes for a reason to try once more.
            headers = {"Content-Type": "application/json", "X-Buddy-Not-Sent-Again": str(status)}
            return httpx.Response(500, headers=headers, content=body, request=request)
        answer = await self._inner.handle_async_request(request)
        if answer.status_code >= 500:
            self._doubtful[sent] = answer.status_code, await answer.aread()
            while len(self._doubtful) > KNOWN:
                self._doubtful.popitem(last=False)
        else:
            self._doubtful.pop(sent, None)
        return answer

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._inner.aclose()


async def seen(doubt: Uncertain, look: Awaitable[T]) -> T:
    """Return what a look after a doubtful write finds.

    Args:
        doubt: about the write.
        look: reads; its own failure says of itself that nothing happened, which is not true of the write.

    Raises:
        Uncertain: the doubt as it was, where the look fails.
    """
    try:
        return await look
    except ProviderError as problem:
        raise doubt from problem
