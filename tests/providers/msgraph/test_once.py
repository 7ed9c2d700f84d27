"""A write that may have happened is not sent again, whoever asks for it."""

import httpx
import pytest

from buddy.adapters.providers.msgraph.once import SentOnce


class Service:
    """Answers with the statuses that it is given, then with 202."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self.seen: list[tuple[str, bytes]] = []

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.seen.append((request.method, await request.aread()))
        return httpx.Response(self._statuses.pop(0) if self._statuses else 202, json={"error": "late"})


async def ask(service: Service, *requests: tuple[str, str, bool]) -> list[int]:
    """Send requests (method, body, is it a repeat) and return how each was answered."""
    answers = []
    transport = SentOnce(httpx.MockTransport(service.answer))
    async with httpx.AsyncClient(transport=transport, base_url="http://graph") as http:
        for method, body, repeat in requests:
            headers = {"Retry-Attempt": "1"} if repeat else {}
            answer = await http.request(method, "/sendMail", content=body, headers=headers)
            answers.append(answer.status_code)
            if "X-Buddy-Not-Sent-Again" in answer.headers:
                assert answer.json() == {"error": "late"}
    return answers


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_repeat_after_a_failure_is_answered_without_being_sent(status: int) -> None:
    service = Service(status)
    assert await ask(service, ("POST", "a", False), ("POST", "a", True), ("POST", "a", True)) == [
        status,
        500,
        500,
    ]
    assert len(service.seen) == 1


async def test_a_repeat_after_a_limit_or_a_refusal_is_sent() -> None:
    service = Service(429, 400)
    requests = [("POST", "a", False), ("POST", "a", True), ("POST", "a", True)]
    assert await ask(service, *requests) == [429, 400, 202]
    assert len(service.seen) == 3


async def test_a_read_another_body_and_a_request_that_is_no_repeat_are_sent() -> None:
    service = Service(504, 504, 504)
    requests = [
        ("GET", "", False),
        ("GET", "", True),
        ("POST", "a", False),
        ("POST", "b", True),
        ("POST", "a", False),
    ]
    assert await ask(service, *requests) == [504, 504, 504, 202, 202]
    assert len(service.seen) == 5
