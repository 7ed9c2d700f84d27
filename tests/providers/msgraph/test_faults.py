"""Each operation under each fault: what is said is true, retries only where they may be, never two mails."""

import asyncio
import time
from typing import Any, NamedTuple

import httpx
import pytest

from buddy.adapters.providers.base import errors
from buddy.adapters.providers.base.api import Patience
from buddy.adapters.providers.base.errors import ProviderError, RateLimited, Uncertain
from buddy.adapters.providers.base.faults import Faults
from buddy.adapters.providers.msgraph import operations
from buddy.adapters.providers.msgraph.client import GraphClient
from buddy.adapters.providers.msgraph.operations import OPERATIONS
from buddy.errors import ToolError
from providers.msgraph.bench import COLLEAGUE, HASTE, Served, Wrong, asked, served

MAIL = {"to": [COLLEAGUE], "subject": "Hello", "body": "Are you in on Friday?"}
REFUSED = {
    "400": errors.InvalidRequest,
    "401": errors.AuthError,
    "403": errors.AuthError,
    "404": errors.NotFound,
    "409": errors.Conflict,
    "422": errors.InvalidRequest,
    "429": errors.RateLimited,
}
"""Nothing happened: fault -> what is raised."""
FAILED = {
    "408": errors.ProviderTimeout,
    "500": errors.ProviderUnavailable,
    "502": errors.ProviderUnavailable,
    "503": errors.ProviderUnavailable,
    "504": errors.ProviderTimeout,
    "stall": errors.ProviderTimeout,
    "stall-after": errors.ProviderTimeout,
    "cut-before": errors.ProviderUnavailable,
    "cut-after": errors.ProviderUnavailable,
}
"""It may have happened: fault -> what a read raises, and what stands behind the doubt about a write."""


class Case(NamedTuple):
    """A request of a tool that can go wrong."""

    tool: str
    method: str
    end: str


READS = [
    Case("msgraph.list", "GET", "/mailFolders/inbox/messages"),
    Case("msgraph.search", "GET", "/me/messages"),
    Case("msgraph.get", "GET", "AA2"),
    Case("msgraph.send", "GET", "/me/messages"),
]
WRITES = [
    Case("msgraph.draft", "POST", "/me/messages"),
    Case("msgraph.send", "POST", "/me/messages"),
    Case("msgraph.send", "POST", "/send"),
    Case("msgraph.send_draft", "POST", "/send"),
    Case("msgraph.reply", "POST", "/createReply"),
    Case("msgraph.reply", "PATCH", "AA2"),
    Case("msgraph.reply", "POST", "/send"),
    Case("msgraph.mark_read", "PATCH", "AA2"),
    Case("msgraph.delete", "POST", "/move"),
]
SENDS = ("msgraph.send", "msgraph.send_draft", "msgraph.reply")


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "PAUSE_S", 0.01)


async def args_of(tool: str, graph: Served) -> dict[str, Any]:
    if tool in ("msgraph.send", "msgraph.draft"):
        return MAIL
    if tool == "msgraph.list":
        return {}
    if tool == "msgraph.search":
        return {"query": "dental"}
    if tool == "msgraph.send_draft":
        return {"message_id": (await graph.client().create_draft(**MAIL, key="another"))["id"]}
    return {"message_id": graph.inbox()[0], **({"body": "Yes."} if tool == "msgraph.reply" else {})}


async def happened(tool: str, graph: Served, args: dict[str, Any]) -> bool:
    """Look into the simulator itself."""
    box = next(iter(graph.simulator.store.mailboxes()))
    if tool in SENDS:
        return len(graph.sent) == 1
    if tool == "msgraph.draft":
        return bool(box.within("drafts"))
    item = box.item(args["message_id"])
    return item.content["isRead"] if tool == "msgraph.mark_read" else item.folder == "deleteditems"


async def act(client: GraphClient, tool: str, args: dict[str, Any]) -> Exception | None:
    async with client as one:
        try:
            await OPERATIONS[tool].act(one, asked(**args))
        except (ToolError, Uncertain) as problem:
            return problem
    return None


@pytest.mark.parametrize("fault", [*REFUSED, *FAILED])
@pytest.mark.parametrize("case", READS, ids=lambda case: f"{case.tool} {case.end}")
async def test_a_read_that_fails_says_how_and_is_tried_again_where_that_can_help(
    graph: Served, case: Case, fault: str
) -> None:
    args, wrong = await args_of(case.tool, graph), Wrong(fault, case.method, case.end)
    problem = await act(graph.client(wrong=wrong), case.tool, args)
    wanted = {**REFUSED, **FAILED}[fault]
    assert type(problem) is wanted
    assert isinstance(problem, ProviderError)
    # With 429 and 503 the vendor asks for a second, which is longer than this client may wait in all.
    assert wrong.hit == (HASTE.attempts if fault in FAILED and fault != "503" else 1)
    if fault.isdecimal():
        assert problem.status == int(fault)
    assert not graph.sent


@pytest.mark.parametrize("fault", ["500", "504", "cut-after"])
@pytest.mark.parametrize("case", READS, ids=lambda case: f"{case.tool} {case.end}")
async def test_a_read_that_fails_once_passes(graph: Served, case: Case, fault: str) -> None:
    args, wrong = await args_of(case.tool, graph), Wrong(fault, case.method, case.end, times=1)
    assert await act(graph.client(wrong=wrong), case.tool, args) is None
    assert wrong.hit == 1


@pytest.mark.parametrize("fault", [*REFUSED, *FAILED])
@pytest.mark.parametrize("case", WRITES, ids=lambda case: f"{case.tool} {case.method} {case.end}")
async def test_what_is_said_of_a_write_that_failed_is_true_and_the_next_try_ends_it(
    graph: Served, case: Case, fault: str
) -> None:
    args, wrong = await args_of(case.tool, graph), Wrong(fault, case.method, case.end)
    problem = await act(graph.client(wrong=wrong), case.tool, args)
    did = await happened(case.tool, graph, args)
    if fault in REFUSED:
        assert type(problem) is REFUSED[fault]
        assert wrong.hit == 1
    if isinstance(problem, ToolError):  # nothing happened, it says
        assert did is False
    elif problem is None:  # it happened: found out by reading after the doubt
        assert did is True
    else:
        assert type(problem.error) is FAILED[fault]
        async with graph.client() as client:
            assert await OPERATIONS[case.tool].probe(client, asked(**args)) is did
    assert wrong.hit == 1, "a write that may have happened is not sent again"

    if did and case.tool == "msgraph.send_draft":
        return  # nobody asks again where the probe says that it was sent
    assert await act(graph.client(), case.tool, args) is None
    assert await happened(case.tool, graph, args)
    assert len(graph.sent) <= 1


@pytest.mark.parametrize("case", [case for case in WRITES if case.end == "/send"], ids=lambda case: case.tool)
async def test_a_cut_after_a_mail_left_is_in_doubt_and_the_probe_finds_the_truth(
    graph: Served, case: Case
) -> None:
    args = await args_of(case.tool, graph)
    problem = await act(graph.client(wrong=Wrong("cut-after", "POST", "/send")), case.tool, args)
    assert type(problem) is Uncertain
    assert len(graph.sent) == 1
    async with graph.client() as client:
        assert await OPERATIONS[case.tool].probe(client, asked(**args)) is True


class Dark:
    """A network that breaks for good after the first write of a method that reached the service."""

    def __init__(self, method: str, end: str) -> None:
        self.method, self.end, self.broken = method, end, False

    def over(self, inner: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
        return _Darkening(inner, self)


class _Darkening(httpx.AsyncBaseTransport):
    def __init__(self, inner: httpx.AsyncBaseTransport, dark: Dark) -> None:
        self._inner, self._dark = inner, dark

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        dark = self._dark
        if dark.broken:
            raise httpx.ConnectError("no route", request=request)
        answer = await self._inner.handle_async_request(request)
        if request.method == dark.method and request.url.path.endswith(dark.end):
            dark.broken = True
            raise httpx.ReadError("cut", request=request)
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()


@pytest.mark.parametrize(
    ("tool", "method", "end"),
    [
        ("msgraph.mark_read", "PATCH", ""),
        ("msgraph.delete", "POST", "/move"),
        ("msgraph.draft", "POST", "/messages"),
    ],
)
async def test_where_nobody_can_look_after_a_cut_write_the_doubt_stays(
    graph: Served, tool: str, method: str, end: str
) -> None:
    args = await args_of(tool, graph)
    problem = await act(graph.client(wrong=Dark(method, end)), tool, args)
    assert await happened(tool, graph, args)
    assert isinstance(problem, Uncertain), repr(problem)


@pytest.mark.parametrize("tool", ["msgraph.send", "msgraph.reply"])
async def test_an_order_that_is_carried_out_late_does_not_send_a_second_mail(tool: str) -> None:
    with served(faults=Faults(stall_s=0.5)) as graph:
        args = await args_of(tool, graph)
        problem = await act(graph.client(wrong=Wrong("stall", "POST", "/send")), tool, args)
        assert type(problem) is Uncertain
        assert not graph.sent
        assert await act(graph.client(), tool, args) is None
        await asyncio.sleep(0.8)
        assert graph.simulator.layer.counts.faults["stall"] == 1
        assert len(graph.sent) == 1


class LandsFirst:
    """An order of before that the vendor carries out just before the one that is sent now."""

    def __init__(self, graph: Served) -> None:
        self._graph = graph

    def over(self, inner: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
        return _Landing(inner, self._graph)


class _Landing(httpx.AsyncBaseTransport):
    def __init__(self, inner: httpx.AsyncBaseTransport, graph: Served) -> None:
        self._inner, self._graph = inner, graph

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/send"):
            store = self._graph.simulator.store
            box = next(iter(store.mailboxes()))
            store.send(box, box.within("drafts")[0])
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


@pytest.mark.parametrize("tool", ["msgraph.send", "msgraph.reply"])
async def test_a_mail_that_leaves_by_the_order_of_before_counts_as_sent(graph: Served, tool: str) -> None:
    args = await args_of(tool, graph)
    assert await act(graph.client(wrong=LandsFirst(graph)), tool, args) is None
    assert len(graph.sent) == 1


@pytest.mark.parametrize(("tool", "method", "end"), [("msgraph.send", "POST", "/send"), READS[0]])
async def test_a_limit_is_waited_for_as_long_as_the_vendor_asks(
    graph: Served, tool: str, method: str, end: str
) -> None:
    args, patient = await args_of(tool, graph), Patience(timeout_s=5.0, attempts=3, first_s=0.01)
    began = time.monotonic()
    wrong = Wrong("429", method, end, times=1)
    assert await act(graph.client(wrong=wrong, patience=patient), tool, args) is None
    assert time.monotonic() - began >= 1.0
    assert len(graph.sent) == (tool == "msgraph.send")


async def test_a_longer_wait_than_there_is_patience_for_is_told(graph: Served) -> None:
    problem = await act(graph.client(wrong=Wrong("429", "POST", "/send")), "msgraph.send", MAIL)
    assert isinstance(problem, RateLimited)
    assert problem.retry_after == 1.0
    assert problem.raw["error"]["code"] == "ApplicationThrottled"


async def test_the_vendors_own_limit_refuses_what_is_too_much_and_says_how_long() -> None:
    clock = [1_000_000.0]
    with served(limit=(3, 600.0), now=lambda: clock[0]) as graph:
        client = graph.client()
        for _ in range(3):
            await client.get_messages()
        with pytest.raises(RateLimited) as refused:
            await client.get_messages()
        assert refused.value.retry_after == 600.0
        clock[0] += 600
        await client.get_messages()
