"""Approval requests for tests."""

import time
from typing import Any

from buddy.journal.times import iso
from buddy.model.approval import ApprovalRequest
from buddy.model.mode import Risk


def request(name: str = "ap1", **more: Any) -> ApprovalRequest:
    now = time.time()
    values: dict[str, Any] = {
        "approval_id": name,
        "run_id": "r1",
        "plan_id": "p",
        "step_id": "s",
        "tool": "mail.send",
        "agent": "agent1",
        "args": {"to": "x@y.z"},
        "preview": None,
        "risk": Risk.HIGH,
        "reasons": ("'mail.send' cannot be undone",),
        "binding": "b",
        "contract": "c",
        "requested_at": iso(now),
        "expires_at": iso(now + 60),
    }
    return ApprovalRequest(**{**values, **more})
