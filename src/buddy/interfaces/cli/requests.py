"""An approval request, laid out for the person who decides."""

import difflib
from collections.abc import Iterator
from typing import Any

import msgspec

from buddy.model.approval import Approval, ApprovalRequest
from buddy.model.outcome import Change, Preview

MOST_ITEMS = 20
"""Items of a fan-out that are shown in full."""

MOST_LINES = 200
"""Lines of one preview."""


def request_lines(request: ApprovalRequest) -> Iterator[str]:
    """Yield the lines that say what is asked, of whom, and what would change."""
    many = f" x {len(request.items)}" if request.items else ""
    yield f"{request.approval_id}  {request.tool}{many}  {request.risk.value} risk"
    yield f"  for        {request.agent}, step {request.plan_id}/{request.step_id} of {request.run_id}"
    for reason in request.reasons:
        yield f"  because    {reason}"
    if request.earlier:
        yield f"  earlier    the same action was taken {request.earlier} times before"
    yield f"  asked      {request.requested_at}, open until {request.expires_at}"
    if request.quorum > 1:
        yield f"  quorum     {request.quorum} different people"
    if request.supersedes:
        yield f"  replaces   {request.supersedes}"
    yield from (f"  different  {sentence}" for sentence in request.difference)
    if request.items:
        yield from _items(request)
        return
    yield from _block("arguments", _pretty(request.args))
    if request.preview is not None:
        yield from preview_lines(request.preview)


def approval_lines(approval: Approval) -> Iterator[str]:
    """Yield the lines of a request and of what was said about it."""
    yield from request_lines(approval.request)
    yield f"  state      {approval.state.value}"
    for vote in approval.votes:
        said = f": {vote.reason}" if vote.reason else ""
        yield f"  vote       {'yes' if vote.approve else 'no'} by {vote.by}, {vote.at}{said}"
        if vote.edited_args is not None:
            yield from _block("edited to", _pretty(vote.edited_args))


def preview_lines(preview: Preview) -> Iterator[str]:
    """Yield what a call would change as a diff, and what it would return."""
    if not preview.available:
        yield "  preview    unavailable: the tool cannot say what it would change"
    shown = [line for change in preview.changes for line in _diff(change)]
    if preview.available and not preview.changes:
        yield "  changes    none"
    else:
        yield from _block("changes", shown[:MOST_LINES])
    if len(shown) > MOST_LINES:
        yield f"    ... and {len(shown) - MOST_LINES:,} more lines"
    if preview.result is not None:
        yield from _block("result", _pretty(preview.result))
    yield from (f"  note       {note}" for note in preview.notes)


def _items(request: ApprovalRequest) -> Iterator[str]:
    listed = request.args if isinstance(request.args, list) else [request.args]
    for place, preview in enumerate(request.items[:MOST_ITEMS]):
        yield f"  item {place}"
        if place < len(listed):
            yield from _block("arguments", _pretty(listed[place]))
        yield from preview_lines(preview)
    if len(request.items) > MOST_ITEMS:
        yield f"  ... and {len(request.items) - MOST_ITEMS:,} more items; --json has them all"


def _diff(change: Any) -> list[str]:
    plain = msgspec.to_builtins(change) if isinstance(change, Change) else change
    if not isinstance(plain, dict) or "resource" not in plain:
        return _pretty(plain)
    before, after = _pretty(plain.get("before")), _pretty(plain.get("after"))
    compared = (
        difflib.ndiff(before, after) if len(before) + len(after) < MOST_LINES else _apart(before, after)
    )
    return [f"{plain['resource']}", *(f"  {line.rstrip()}" for line in compared if not line.startswith("?"))]


def _apart(before: list[str], after: list[str]) -> list[str]:
    """Compare without looking for what moved, which takes too long for much text."""
    return [*(f"- {line}" for line in before), *(f"+ {line}" for line in after)]


def _pretty(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, dict) and value:
        return [line for key, entry in value.items() for line in _entry(str(key), entry)]
    if isinstance(value, str):
        return value.splitlines() or ['""']
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode().splitlines()


def _entry(key: str, entry: Any) -> list[str]:
    text = entry if isinstance(entry, str) else msgspec.json.encode(entry).decode()
    first, *rest = text.splitlines() or [""]
    return [f"{key}: {first}", *(f"  {line}" for line in rest)]


def _block(name: str, shown: list[str]) -> Iterator[str]:
    for place, line in enumerate(shown):
        yield f"  {name if place == 0 else '':<10} {line}"
