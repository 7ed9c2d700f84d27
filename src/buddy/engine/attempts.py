"""One attempt at a rung: call the handler, mind the time, and say in one record what went wrong."""

import asyncio
import functools
import types
from collections.abc import Coroutine, Generator
from typing import Any

from msgspec import Struct

from buddy.core.canonical import canonical
from buddy.errors import ChangedSince, ClosedStop, IllegalMove, ToolError
from buddy.model.contract import ToolContract
from buddy.model.mode import LIVE, Mode, OnError
from buddy.model.outcome import CallError
from buddy.ports import Secrets

MESSAGE_LENGTH = 2_000
REDACTED = "***"


class Passed(Struct, frozen=True, gc=False):
    """The handler returned."""

    value: Any


class StillRunning(Struct, frozen=True):
    """The time is up but the handler's thread cannot be stopped; `task` ends when it does."""

    task: Any


Attempt = Passed | CallError | StillRunning


async def attempt(
    work: Coroutine[Any, Any, Any],
    contract: ToolContract,
    mode: Mode,
    *,
    in_thread: bool = False,
    redact: tuple[str, ...] = (),
) -> Attempt:
    """Run a handler within its contract's timeout.

    Args:
        work: the handler's call.
        contract: of the tool.
        mode: the rung; what an error means depends on it.
        in_thread: the handler cannot be cancelled, so it is left running when the time is up.
        redact: secrets that must not appear in the error.
    """
    try:
        if in_thread:
            task = asyncio.ensure_future(work)
            task.add_done_callback(_heard)
            done, _ = await asyncio.wait((task,), timeout=contract.timeout_s)
            return Passed(task.result()) if done else StillRunning(task)
        try:
            # Up to where it first waits: what never does needs no timer.
            first = work.send(None)
        except StopIteration as through:
            return Passed(through.value)
        async with asyncio.timeout(contract.timeout_s):
            return Passed(await _rest(work, first))
    except (ClosedStop, IllegalMove):
        raise
    except Exception as problem:  # noqa: BLE001 - a tool may raise anything; every kind becomes a record
        return error_of(problem, contract, mode, redact)


def _heard(task: "asyncio.Task[Any]") -> None:
    """Take note of how a call ended that nobody waits for any more, as its run stopped."""
    if not task.cancelled():
        task.exception()


@types.coroutine
def _rest(work: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    """Go on with a coroutine that has begun and waits for something."""
    while True:
        try:
            sent = yield waits_for
        except BaseException as problem:  # noqa: BLE001 - a cancellation is for the coroutine to see first
            step = functools.partial(work.throw, problem)
        else:
            step = functools.partial(work.send, sent)
        try:
            waits_for = step()
        except StopIteration as through:
            return through.value


def error_of(
    problem: BaseException, contract: ToolContract, mode: Mode, redact: tuple[str, ...] = ()
) -> CallError:
    """Say what an exception of a handler means (SPEC section 4).

    Args:
        problem: what it raised.
        contract: of the tool.
        mode: the rung that it was called on.
        redact: secrets that must not appear.
    """
    kind = type(problem).__name__
    message = hidden(str(problem) or kind, redact)[:MESSAGE_LENGTH]
    if isinstance(problem, ToolError):
        return CallError(
            kind,
            message,
            no_effect=True,
            retryable=problem.retryable,
            counts=problem.counts_against_tool,
            retry_after=None if problem.retry_after is None else float(problem.retry_after),
        )
    harmless = mode is not LIVE or not contract.writes or contract.on_error is OnError.NO_EFFECT
    if isinstance(problem, TimeoutError):
        text = f"no answer within {contract.timeout_s:g} s" if not str(problem) else message
        return CallError("Timeout", text, no_effect=harmless)
    if isinstance(problem, ChangedSince):
        return CallError(kind, message, no_effect=True, retryable=False)
    return CallError(kind, message, no_effect=harmless)


def timed_out(contract: ToolContract) -> CallError:
    """Say that a thread did not answer in time: it may act at any moment."""
    text = f"no answer within {contract.timeout_s:g} s; the handler's thread is still running"
    return CallError("Timeout", text, no_effect=not contract.writes)


def hidden(text: str, secrets: tuple[str, ...]) -> str:
    """Return a text without the secrets in it."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, REDACTED)
    return text


def hidden_value(value: Any, secrets: tuple[str, ...]) -> Any:
    """Return a JSON value without the secrets in any of its texts."""
    if not secrets:
        return value
    if isinstance(value, str):
        return hidden(value, secrets)
    if isinstance(value, dict):
        return {hidden(key, secrets): hidden_value(entry, secrets) for key, entry in value.items()}
    if isinstance(value, list):
        return [hidden_value(entry, secrets) for entry in value]
    return value


def with_secrets(
    args: dict[str, Any], names: tuple[str, ...], secrets: Secrets
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return arguments with the secret ones looked up, and the secrets for redaction.

    Raises:
        InvalidArguments: a secret cannot be had.
    """
    if not names:
        return args, ()
    found = {
        name: secrets.resolve(args[name]["$secret"])
        for name in names
        if isinstance(args.get(name), dict) and "$secret" in args[name]
    }
    return {**args, **found}, tuple(found.values())


BLOB_BYTES = 65_536
_MOST = 6
"""Bytes of JSON that a character takes at most: a control character is written as its number."""
_WITH_ENTRIES = (dict, list)


def is_large(value: Any) -> bytes | None:
    """Return the canonical JSON of a JSON value that is too large for a journal line, None for others."""
    if isinstance(value, str):
        if len(value) * _MOST < BLOB_BYTES:
            return None
    elif not value or not isinstance(value, _WITH_ENTRIES):
        return None
    data = canonical(value)
    return data if len(data) > BLOB_BYTES else None
