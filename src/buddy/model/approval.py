"""Approvals: what is asked, of whom, and what was said."""

from enum import Enum
from typing import Any

from msgspec import Struct

from buddy.model.mode import Risk
from buddy.model.outcome import Preview


class ApprovalState(Enum):
    """Where a request stands; only `APPROVED` lets an action through, once."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"
    SUPERSEDED = "SUPERSEDED"
    CANCELLED = "CANCELLED"


class ApprovalRequest(Struct, frozen=True, kw_only=True):
    """What a person is asked.

    Attributes:
        approval_id: short and unique in a home.
        run_id: of which run.
        plan_id: of which plan.
        step_id: of which step; a `for_each` asks once under its own id.
        tool: what would be called.
        agent: who asks; may never decide.
        args: the arguments, secrets as references; of a `for_each` the list of them.
        preview: what would change; of a `for_each` the previews of the items in `items`.
        items: previews of a fan-out, empty for a single call.
        risk: of the tool.
        reasons: why a person is asked, one sentence each.
        earlier: how many identical actions were taken before.
        binding: digest over contract, arguments and previewed changes without volatile parts.
        contract: digest of the contract.
        requested_at: UTC ISO 8601.
        expires_at: UTC ISO 8601.
        quorum: distinct approvers needed.
        supersedes: the request that this one replaces.
        difference: what changed since that request, one sentence each.
    """

    approval_id: str
    run_id: str
    plan_id: str
    step_id: str
    tool: str
    agent: str
    args: Any
    preview: Preview | None
    items: list[Preview] = []
    risk: Risk
    reasons: tuple[str, ...]
    earlier: int = 0
    binding: str
    contract: str
    requested_at: str
    expires_at: str
    quorum: int = 1
    supersedes: str | None = None
    difference: tuple[str, ...] = ()


class Vote(Struct, frozen=True, kw_only=True):
    """What one person said.

    Attributes:
        by: who.
        approve: yes or no.
        at: UTC ISO 8601.
        reason: why.
        edited_args: arguments to use instead, never of a fan-out; they are rehearsed and asked about again.
    """

    by: str
    approve: bool
    at: str
    reason: str = ""
    edited_args: dict[str, Any] | None = None


class Approval(Struct, frozen=True, kw_only=True):
    """A request with what was said about it."""

    request: ApprovalRequest
    state: ApprovalState
    votes: tuple[Vote, ...] = ()
    consumed_by: tuple[str, ...] = ()
