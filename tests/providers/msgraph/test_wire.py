"""Words of a caller's own on the vendor's wire: marks, searches, ids; and errors in the vendor's forms."""

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from buddy.adapters.providers.base import errors
from buddy.adapters.providers.msgraph import account, wire
from buddy.adapters.providers.msgraph.simulator.app import GraphSimulator
from providers.msgraph.bench import COLLEAGUE

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=30)


@settings(max_examples=50, deadline=None)
@given(key=texts)
def test_a_mark_of_any_text_is_found_again_and_no_other(key: str) -> None:
    async def go() -> None:
        async with account.simulated(GraphSimulator()) as client:
            made = await client.create_draft([COLLEAGUE], "s", "b", key=key)
            found = await client.find_by_key(key)
            assert found is not None
            assert found["id"] == made["id"]
            assert await client.find_by_key(f"{key}'") is None

    asyncio.run(go())


@settings(max_examples=50, deadline=None)
@given(words=texts)
def test_a_search_for_any_text_is_answered_or_refused(words: str) -> None:
    async def go() -> None:
        async with account.simulated(GraphSimulator()) as client:
            with contextlib.suppress(errors.InvalidRequest):
                await client.search_messages(words)

    asyncio.run(go())


@settings(max_examples=50, deadline=None)
@given(message_id=texts)
@example(message_id=".")
@example(message_id="..")
@example(message_id="../mailFolders")
@example(message_id="%2e%2e")
@example(message_id="a?b#c")
def test_an_id_of_any_text_reaches_no_other_address(message_id: str) -> None:
    async def go() -> None:
        simulator = GraphSimulator()
        async with account.simulated(simulator) as client:
            for call in (client.get_message, client.purge_message, client.order_to_send):
                with pytest.raises(errors.ProviderError):
                    await call(message_id)
        assert simulator.layer.counts.effects == 0
        assert all(status >= 400 for _, _, status in simulator.layer.counts.log)

    asyncio.run(go())


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (404, {"error": {"code": "ErrorItemNotFound", "message": "gone"}}, errors.NotFound, "gone"),
        (400, {"error": {"code": "ErrorInvalidIdMalformed", "message": "bad"}}, errors.NotFound, "bad"),
        (400, {"error": {"code": "ErrorInvalidRecipients", "message": "no"}}, errors.InvalidRequest, "no"),
        (412, {"error": {"code": "ErrorIrresolvableConflict", "message": "x"}}, errors.Conflict, "x"),
        (403, {"error": {"code": "ErrorSendAsDenied", "message": "x"}}, errors.AuthError, "x"),
        (429, {"error": {"code": "ApplicationThrottled", "message": "x"}}, errors.RateLimited, "x"),
        (503, {"error": "down"}, errors.ProviderUnavailable, "down"),
        (502, "<html>", errors.ProviderUnavailable, "<html>"),
        (504, None, errors.ProviderTimeout, "None"),
    ],
)
def test_errors_have_one_meaning_whatever_their_form(
    status: int, body: Any, kind: type[errors.ProviderError], words: str
) -> None:
    found, told = wire.meaning(status, body)
    assert found is kind
    assert words in told
